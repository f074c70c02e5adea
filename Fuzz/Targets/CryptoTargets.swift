#if DEBUG || FUZZING
    @testable import OpenSSL
    @testable import Sigstore

    extension FuzzTarget {
        /// ASN.1 and TLS structures, read by OpenSSL and by our own strict reader.
        static let crypto = [
            FuzzTarget(name: "certificate") { bytes in
                guard let certificate = try? Certificate(der: bytes) else { return }
                promise(
                    (try? Certificate(der: certificate.der)) == certificate,
                    "a certificate reads back as it was written")
                for fact in (try? FulcioExtension.all(of: certificate)) ?? [] {
                    promise(certificate.extensionValue(fact.kind.oid) != nil, "a fact stands in the certificate")
                }
                for reading in FulcioExtension.readings(of: certificate) {
                    promise(certificate.extensionValue(reading.oid) != nil, "what is read stands in the certificate")
                }
                _ = try? certificate.signedCertificateTimestamps()
                _ = try? certificate.precertificateTBS()
                _ = try? CertificateChain.verify(
                    certificate, intermediates: [certificate], roots: [certificate], at: certificate.notBefore,
                    purpose: .codeSigning)
            },
            // the values of extensions, which the certificate's own lengths keep the fuzzer from reaching
            FuzzTarget(name: "certificate-extension") { bytes in
                if let names = try? GeneralName.list(bytes) {
                    for name in names {
                        guard let written = try? name.encoded() else { continue }
                        promise(
                            (try? GeneralName.list(DER.sequence(written))) == [name],
                            "a name reads back as it was written")
                    }
                }
                if let usage = try? KeyUsage(der: bytes), !usage.isEmpty {
                    promise((try? KeyUsage(der: usage.der)) == usage, "a key usage reads back as it was written")
                }
                if let text = Certificate.utf8String(bytes) {
                    promise(DER.utf8String(text) == bytes, "a text is written as it was read")
                }
            },
            FuzzTarget(name: "certificate-request") { bytes in
                guard let request = try? CertificateRequest(der: bytes) else { return }
                try? request.verify()
            },
            FuzzTarget(name: "public-key") { bytes in
                guard let key = try? PublicKey(spki: bytes) else { return }
                promise((try? PublicKey(pem: key.pem)) == key, "a key reads back as it was written")
                try? key.verify([0x30, 0x00], of: bytes)
            },
            FuzzTarget(name: "sct") { bytes in
                if let one = try? SignedCertificateTimestamp(tls: bytes) {
                    promise(one.tls == bytes, "an SCT is written as it was read")
                }
                if let list = try? SignedCertificateTimestamp.list(tls: bytes) {
                    promise(
                        SignedCertificateTimestamp.encode(list: list) == bytes, "an SCT list is written as it was read")
                }
            },
            FuzzTarget(name: "timestamp-response") { bytes in
                guard let response = try? TimestampResponse(der: bytes), let token = response.token else { return }
                _ = try? response.verify(
                    imprintOf: token.imprint, chain: token.certificates, roots: Array(token.certificates.suffix(1)))
            },
            FuzzTarget(name: "timestamp-request") { bytes in
                guard let request = try? TimestampRequest(der: bytes) else { return }
                promise((try? TimestampRequest(der: request.der)) == request, "a request reads back as it was written")
            },
            FuzzTarget(name: "pem") { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                for block in (try? PEM.blocks(in: text)) ?? [] {
                    promise((try? PEM.blocks(in: block.text)) == [block], "a PEM block reads back as it was written")
                }
                _ = try? Certificate.list(pem: text)
            },
        ]
    }
#endif
