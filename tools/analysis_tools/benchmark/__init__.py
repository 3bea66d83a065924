"""What the efficiency report and its page need beside ``m2ist_mm.efficiency``."""
