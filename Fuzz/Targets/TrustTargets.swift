#if DEBUG || FUZZING
    import Sigstore

    extension FuzzTarget {
        /// Trust material, which comes from a file that somebody fetched.
        static let trust = [
            FuzzTarget(name: "trusted-root") { bytes in _ = try? TrustedRoot(json: bytes) },
            FuzzTarget(name: "signing-config") { bytes in _ = try? SigningConfig(json: bytes) },
        ]
    }
#endif
