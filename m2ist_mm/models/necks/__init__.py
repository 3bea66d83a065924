from .ladder_side_network import LadderSideNetwork
from .m3isa import M3ISA

__all__ = ['M3ISA', 'LadderSideNetwork']
