from .ladder_side_network import LadderSideNetwork
from .m3isa import M3ISA
from .side_network import SideNetwork

__all__ = ['LadderSideNetwork', 'M3ISA', 'SideNetwork']
