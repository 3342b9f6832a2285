"""The commands that need no screen: `training` runs, `tools` measures, checks, exports and describes."""
