//! Presigned URLs of S3 that bind the length of what is sent, which those of object_store cannot: their
//! [signature](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html) is made anew.

use hmac::{Hmac, KeyInit, Mac};
use medianest_core::Sha256;
use object_store::aws::AwsCredential;
use sha2::Digest;

/// Signs a presigned URL anew, so that requests need these headers as well; their names are in small
/// letters. None when it is no such URL, or one by another key: keys may change between two moments.
pub(super) fn with_headers(
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    key: &AwsCredential,
) -> Option<String> {
    let (address, query) = url.split_once('?')?;
    let (_, place) = address.split_once("://")?;
    let (host, path) = place.split_at(place.find('/')?);
    let mut pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let value = |name: &str| Some(pairs.iter().find(|(pair, _)| *pair == name)?.1);
    let (date, credential) = (value("X-Amz-Date")?, value("X-Amz-Credential")?.replace("%2F", "/"));
    let scope = credential.strip_prefix(key.key_id.as_str())?.strip_prefix('/')?;

    let mut headers: Vec<_> = headers.iter().copied().chain([("host", host)]).collect();
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let (names, in_query) = (names.join(";"), names.join("%3B"));
    pairs.retain(|(name, _)| !matches!(*name, "X-Amz-Signature" | "X-Amz-SignedHeaders"));
    pairs.push(("X-Amz-SignedHeaders", &in_query));
    pairs.sort_unstable();
    let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");

    let headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("{method}\n{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD");
    let digest = Sha256(sha2::Sha256::digest(request).into());
    let signing_key =
        scope.split('/').fold(format!("AWS4{}", key.secret_key).into_bytes(), |key, word| mac(&key, word));
    let signature = mac(&signing_key, &format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"));
    let signature = Sha256(signature.try_into().ok()?);
    Some(format!("{address}?{query}&X-Amz-Signature={signature}"))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AwsCredential {
        AwsCredential {
            key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        }
    }

    const URL: &str = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host";

    /// The example of Amazon's documentation.
    #[test]
    fn signatures_are_as_documented() {
        let signed = with_headers(&format!("{URL}&X-Amz-Signature=other"), "GET", &[], &key()).unwrap();
        let expected = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(signed, format!("{URL}&X-Amz-Signature={expected}"));
    }

    #[test]
    fn headers_are_bound() {
        let signed = |length| with_headers(URL, "PUT", &[("content-length", length)], &key()).unwrap();
        assert!(signed("10").contains("X-Amz-SignedHeaders=content-length%3Bhost&"));
        assert_ne!(signed("10"), signed("11"));
    }

    #[test]
    fn a_url_of_another_key_is_not_signed() {
        let other = AwsCredential { key_id: "AKIA".into(), ..key() };
        assert_eq!(with_headers(URL, "PUT", &[], &other), None);
        assert_eq!(with_headers("https://example.org/", "PUT", &[], &key()), None);
    }
}
