"""Page of tools/analysis_tools/compare_methods.py."""
