"""The kinds of sources, one file each: how a build of the catalogue comes to be."""
