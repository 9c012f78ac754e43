use super::counted_as;
use http::HeaderMap;
use ipnet::IpNet;
use poem::{Addr, Request};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// Addresses of one network, or a single one: `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = medianest_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| {
            let message = "not an address or a network, such as 10.0.0.0/8";
            medianest_core::Error::invalid("invalid_network", message).with("network", text)
        })
    }
}

impl TryFrom<String> for Network {
    type Error = medianest_core::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a request comes from, if it comes over a network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client(Option<IpAddr>);

impl Client {
    /// Who made this request: who is connected or, where that is a trusted proxy, whom it names.
    pub(crate) fn of(request: &Request, trusted: &[Network]) -> Self {
        match &request.remote_addr().0 {
            Addr::SocketAddr(address) => Self(Some(behind(address.ip(), request.headers(), trusted))),
            _ => Self(None),
        }
    }

    #[cfg(test)]
    pub(super) fn at(address: IpAddr) -> Self {
        Self(Some(address))
    }

    /// The address itself.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        self.0.map(|address| address.to_canonical())
    }

    /// The address that is counted: a whole /64 of IPv6 is one.
    pub(super) fn address(self) -> Option<IpAddr> {
        self.0.map(counted_as)
    }
}

const FORWARDED: &str = "x-forwarded-for";

/// Each proxy appends whom it talks with. So what stands before the last address that is not a trusted
/// proxy's may be anybody's invention.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.has(address));
    let mut client = peer;
    let values = headers.get_all(FORWARDED).iter().rev();
    let named = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for name in named {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = address(name.trim()) else { break };
        client = address;
    }
    client
}

/// `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, and each with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

/// Whether this looks like a proxy before us that nobody told us of.
pub(super) fn is_unknown_proxy(request: &Request, trusted: &[Network]) -> bool {
    let Addr::SocketAddr(peer) = &request.remote_addr().0 else { return false };
    let peer = peer.ip().to_canonical();
    let is_near = match peer {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    is_near && request.headers().contains_key(FORWARDED) && !trusted.iter().any(|network| network.has(peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED, HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn s6_the_header_is_believed_as_far_as_trusted_proxies_wrote_it() {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9, 10.9.9.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("2001:db8::1", &["[2a00::1]:4711"], "2a00::1"),
            ("10.0.0.1", &["203.0.113.9:80"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ] {
            assert_eq!(client(peer, forwarded, &proxies), expected, "{peer} {forwarded:?}");
        }
        assert_eq!(client("10.0.0.1", &["203.0.113.9"], &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9"], &["10.0.0.1"]), "203.0.113.9");
        assert!("10.0.0.0/33".parse::<Network>().is_err() && "proxy".parse::<Network>().is_err());
    }
}
