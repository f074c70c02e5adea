#if DEBUG || FUZZING
    @testable import Sigstore

    extension FuzzTarget {
        /// What a registry serves as a signature.
        static let bundles = [
            FuzzTarget(name: "bundle") { bytes in
                guard let bundle = try? UnverifiedBundle(json: bytes) else { return }
                for entry in bundle.tlogEntries { _ = try? TlogBody(entry) }
                guard let written = try? bundle.json() else { return }
                promise((try? UnverifiedBundle(json: written)) == bundle, "a bundle reads back as it was written")
            },
            FuzzTarget(name: "envelope") { bytes in
                guard let envelope = try? Envelope(json: bytes) else { return }
                promise(
                    (try? Envelope(json: envelope.encoded())) == envelope, "an envelope reads back as it was written")
                _ = envelope.preAuthenticationEncoding
                _ = try? Statement(json: envelope.payload)
            },
            FuzzTarget(name: "statement") { bytes in
                guard let statement = try? Statement(json: bytes) else { return }
                promise(statement.subjects.count <= 1024, "no more subjects than verifiers read")
                promise(
                    (try? Statement(json: statement.encoded())) == statement, "a statement reads back as it was written"
                )
            },
        ]
    }
#endif
