#if DEBUG || FUZZING
    import Sigstore
    @testable import TUF

    extension FuzzTarget {
        /// What a TUF repository serves.
        static let repository = [
            FuzzTarget(name: "tuf-metadata") { bytes in
                for type in ["root", "timestamp", "snapshot", "targets"] {
                    guard let file = try? MetadataFile(bytes, name: "\(type).json", type: type) else { continue }
                    promise(file.version > 0, "a version below 1")
                    switch type {
                    case "root": if let root = try? RootMetadata(file) { try? file.verify(by: root.root) }
                    case "timestamp": _ = try? TimestampMetadata(file)
                    case "snapshot": _ = try? SnapshotMetadata(file)
                    default:
                        guard let targets = try? TargetsMetadata(file) else { continue }
                        for path in Array(targets.targets.keys.prefix(8)) + ["", "a/b", "é"] {
                            for name in targets.delegations.responsible(for: path).names {
                                promise(targets.delegations.role(named: name) != nil, "a role without keys")
                            }
                        }
                    }
                }
            },
            // a pattern, a line end, a path
            FuzzTarget(name: "tuf-pattern") { bytes in
                let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
                let (pattern, path) = (
                    String(decoding: parts[0], as: UTF8.self), String(decoding: parts.last ?? [], as: UTF8.self)
                )
                let matches = PathPattern(pattern).matches(path)
                if !pattern.unicodeScalars.contains(where: { "*?[".unicodeScalars.contains($0) }) {
                    promise(matches == pattern.unicodeScalars.elementsEqual(path.unicodeScalars), "a literal pattern")
                }
            },
            FuzzTarget(name: "client-trust-config") { bytes in
                guard let both = try? ClientTrustConfig(json: bytes) else { return }
                promise((try? TrustedRoot(json: both.trustedRootJSON)) != nil, "a root that reads only inside")
                promise((try? SigningConfig(json: both.signingConfigJSON)) != nil, "a config that reads only inside")
            },
        ]
    }
#endif
