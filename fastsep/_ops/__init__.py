"""Operations of several stages."""
