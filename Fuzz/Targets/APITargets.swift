#if DEBUG || FUZZING
    @testable import Countersign
    import OCI
    import OpenSSL
    import StrictJSON

    /// A registry as it is configured, by its name and another one.
    private let registries: [RegistryConfiguration] = {
        var registry = RegistryConfiguration(
            name: "registry.example.com", upstream: UpstreamConfiguration(url: "https://registry.example.com"))
        registry.aliases = ["registry"]
        return [registry]
    }()

    extension FuzzTarget {
        /// What a caller of our API sends, and what the issuer of its token answers.
        static let api = [
            FuzzTarget(name: "api-body") { bytes in
                for action in [Batch.Action.sign, .resign(.keep)] {
                    guard let batch = try? RequestedBatch(bytes, action, registries: registries) else { continue }
                    promise(action == .sign || batch.request.reason?.isEmpty == false, "who signs anew says why")
                    guard let selector = batch.selector else { continue }
                    promise((try? JSONValue(parsing: Array(selector.utf8))) != nil, "the selector reads back")
                }
                if let document = try? JSONValue(parsing: bytes),
                    let named = try? SignController.references(in: document, registries: registries)
                {
                    promise((1...100).contains(named.count), "as many references as are allowed")
                    promise(named.allSatisfy { $0.reference.repository.registry != "registry" }, "by canonical names")
                }
                _ = try? RequestedWithdrawal(
                    bytes, members: ["references", "reason", "remove"], registries: registries)
            },
            FuzzTarget(name: "oidc-discovery") { bytes in
                let issuer = "https://issuer.example.com"
                guard let address = try? IssuerKeys.keysAddress(discovery: bytes, of: issuer) else { return }
                promise(address == issuer || address.hasPrefix(issuer + "/"), "keys are at the issuer itself")
            },
            FuzzTarget(name: "key-set") { bytes in
                let keys = (try? IssuerKeys.keys(in: bytes)) ?? [:]
                promise(keys.count <= 100, "no more keys than are looked at")
                _ = keys.values.map(\.key.spki)
            },
        ]
    }
#endif
