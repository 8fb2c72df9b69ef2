"""Arrays of other packages: imported with the first one that comes."""
