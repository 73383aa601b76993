"""Windows without Windows: builds the program for Windows x64 in wine, and runs it there. README.md says how."""
