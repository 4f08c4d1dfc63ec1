//! What a builder is allowed to do.

/// Most octets that a frame may have, by how it will travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SizeLimit {
    /// What the length field can say: 65,535. Versions 1 and 2, which are for datagrams, get 65,507.
    #[default]
    Stream,
    /// One UDP datagram over IPv4: 65,507.
    UdpIpv4,
    /// One UDP datagram over IPv6: 65,527.
    UdpIpv6,
}

impl SizeLimit {
    /// The limit in octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Stream => 65_535,
            Self::UdpIpv4 => 65_507,
            Self::UdpIpv6 => 65_527,
        }
    }
}

/// What to do where source and destination are of different address families, for which HEP has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MixedFamilies {
    /// Map the IPv4 address into IPv6.
    #[default]
    Map,
    /// Do not encode.
    Refuse,
}
