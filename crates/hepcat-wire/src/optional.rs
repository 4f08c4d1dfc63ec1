//! The generic fields that a frame may do without.

use crate::{chunk::ChunkType, encode_error::EncodeError};

/// The optional generic fields that are written in ascending order of type.
#[derive(Clone, Default)]
pub(crate) struct Optional<'a> {
    pub(crate) keep_alive: u16,
    pub(crate) vlan_id: u16,
    pub(crate) node_name: &'a [u8],
    pub(crate) src_mac: [u8; 6],
    pub(crate) dst_mac: [u8; 6],
    pub(crate) ethernet_type: u16,
    pub(crate) tcp_flags: u8,
    pub(crate) ip_tos: u8,
    pub(crate) mos: u16,
    pub(crate) r_factor: u16,
    pub(crate) geo_location: &'a [u8],
    pub(crate) jitter: u32,
    pub(crate) transaction_type: &'a [u8],
    pub(crate) payload_json_keys: &'a [u8],
    pub(crate) tag_values: &'a [u8],
    pub(crate) tag_type: u16,
    pub(crate) event_type: u16,
    pub(crate) group_id: &'a [u8],
    pub(crate) extra_correlations: &'a [u8],
}

impl Optional<'_> {
    pub(crate) fn write(
        &self,
        put: &mut impl FnMut(ChunkType, &[u8]) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mac = |[m1, m2, m3, m4, m5, m6]: [u8; 6]| [0, 0, m1, m2, m3, m4, m5, m6];
        let mut put_number = |chunk_type, octets: &[u8]| {
            if octets.iter().all(|octet| *octet == 0) {
                return Ok(());
            }
            put(chunk_type, octets)
        };
        put_number(ChunkType::KEEP_ALIVE, &self.keep_alive.to_be_bytes())?;
        put_number(ChunkType::VLAN_ID, &self.vlan_id.to_be_bytes())?;
        put_number(ChunkType::NODE_NAME, self.node_name)?;
        put_number(ChunkType::SRC_MAC, &mac(self.src_mac))?;
        put_number(ChunkType::DST_MAC, &mac(self.dst_mac))?;
        put_number(ChunkType::ETHERNET_TYPE, &self.ethernet_type.to_be_bytes())?;
        put_number(ChunkType::TCP_FLAGS, &[self.tcp_flags])?;
        put_number(ChunkType::IP_TOS, &[self.ip_tos])?;
        put_number(ChunkType::MOS, &self.mos.to_be_bytes())?;
        put_number(ChunkType::R_FACTOR, &self.r_factor.to_be_bytes())?;
        put_number(ChunkType::GEO_LOCATION, self.geo_location)?;
        put_number(ChunkType::JITTER, &self.jitter.to_be_bytes())?;
        put_number(ChunkType::TRANSACTION_TYPE, self.transaction_type)?;
        put_number(ChunkType::PAYLOAD_JSON_KEYS, self.payload_json_keys)?;
        put_number(ChunkType::TAG_VALUES, self.tag_values)?;
        put_number(ChunkType::TAG_TYPE, &self.tag_type.to_be_bytes())?;
        put_number(ChunkType::EVENT_TYPE, &self.event_type.to_be_bytes())?;
        put_number(ChunkType::GROUP_ID, self.group_id)?;
        put_number(ChunkType::EXTRA_CORRELATIONS, self.extra_correlations)
    }
}
