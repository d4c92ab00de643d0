import Cryptography
import Wire

extension FuzzTarget {
    /// A certificate as it may come from where an envelope says, as PEM and as what PEM holds: a key that is used has a size that may be
    /// used.
    static let certificate = FuzzTarget(name: "certificate", corpus: [der, pem(der)]) { bytes in
        for text in [bytes, pem(bytes)] {
            guard let certificate = try? Certificate(pem: text) else { continue }
            let key = certificate.publicKey
            precondition(RSAPublicKey.sizes.contains(key.bits), "a key of \(key.bits) bits")
            // Whatever they say: that it is asked has to do no harm.
            _ = key.isValid(signature: Array(bytes.suffix(key.bits / 8)), for: bytes, digest: .sha256)
            _ = key.isValid(signature: Array(bytes.suffix(3)), for: bytes, digest: .sha1)
        }
    }

    private static func pem(_ der: [UInt8]) -> [UInt8] {
        let text = Array(Base64.encode(der).utf8)
        let lines = stride(from: 0, to: text.count, by: 64).map { text[$0..<min($0 + 64, text.count)] + [10] }
        return Array("-----BEGIN CERTIFICATE-----\n".utf8) + lines.joined() + Array("-----END CERTIFICATE-----\n".utf8)
    }

    /// A certificate of Tests/TestSupport.
    private static let der =
        Base64.decode(
            """
            MIIC1zCCAb+gAwIBAgIIfkpvC+iQg4QwDQYJKoZIhvcNAQELBQAwEzERMA8GA1UEAwwIc25zLnRlc3QwHhcNMjYxMTI4MTIxMzA2\
            WhcNMjYxMTI5MTMxMzA2WjATMREwDwYDVQQDDAhzbnMudGVzdDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBANYWIHSu\
            4dmHKvCtesPMtQxohtEheOlL+YSte2FtHOc9RuPvIFhdNlbd+CJG8jCiDE0cD4CpzxcEHDNdkkGFDcgOX6RGD6+ms2ZBPTB/f8RZ\
            DgTrlVymWzJ1zT8p1EMckeolS3IEj7b4p5MVUN7c2C+ul5gyvGPZ4nxhWkc2yI5/TVpM1KAjVf1PqCKkWTtITarr/SMKVU6Y+kU7\
            OkGrGOmS7FEbmhEYaQCdJIywoLkJ+/9TGkfURr29Z07Ho8EM29+AmH4wnalbkQojMgUy20H8Jlioz+r6FXZdpqEz7fstXlO8fbJY\
            IiUay/LzVeuRwKTisL1aQ+3u+pil7I+EBqsCAwEAAaMvMC0wDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SH\
            BH8AAAEwDQYJKoZIhvcNAQELBQADggEBAMRq6Irt777PD2pQgkK96CBTbHjVrnJoCgAcDGvKuVVpqhVP9U8j+mgARw8i2ogzUcRz\
            4IXT7EJ+VWQ4opFFV6jNnofW7riZPOSSLjBVDBGXhAC+n2bbNzzMdDbF6OpNdLsN+qmYOoMfo6kAOYAnjfWjQZoDmD5OZBzKYAmV\
            OorLVFM+ma5ipVMqe/m064ivVVaSvqVfmWTE0jA/436BjPMHUcpeY0OSQ+VWmN88BqYtROfXnchBvzmOad0shB9MEVf0SiM5vHfb\
            ZPNhe/lHDUtIK16ohnapYs67Xvs2Q7yTaucNM6isopgAL1RGVJXVhde2MGMOEDEKO7o8kDb/NA4=
            """) ?? []
}
