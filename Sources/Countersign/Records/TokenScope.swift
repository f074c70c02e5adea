package import OCI
import Postgres
package import Sigstore

/// What a token is confined to. Nothing is allowed that is not listed.
package struct TokenScope: Sendable, Equatable {
    /// Those that it names itself, over `registry/repository`.
    package let repositories: [Glob]
    /// Names of tenants of the configuration: beside the above, all that they have now.
    package let tenants: [String]
    /// Those of them that are configured; nobody until ``resolved(among:)`` has looked.
    private var found: [TenantConfiguration] = []
    /// Of documents that may be sent and read: predicate type URIs; `*` for every one.
    package let predicateTypes: [String]

    /// - Parameter predicateTypes: names as cosign's `--type` takes them, URIs, or `*`.
    /// - Throws: what is no glob and no type, and a type of which no document may be sent.
    package init(repositories: [String], tenants: [String] = [], predicateTypes: [String]) throws {
        self.repositories = try repositories.map(Glob.init)
        self.tenants = tenants
        self.predicateTypes = try predicateTypes.map { $0 == "*" ? $0 : try PredicateType(ofDocument: $0).uri }
    }

    /// As stored; nil for a token without a scope.
    init?(_ row: Row) throws {
        guard let repositories = try row.decode("repositories", as: [String]?.self) else { return nil }
        self.repositories = try repositories.map(Glob.init)
        tenants = try row.decode("tenants", as: [String]?.self) ?? []
        predicateTypes = try row.decode("predicate_types", as: [String]?.self) ?? ["*"]
    }

    /// With what its tenants have in this configuration. One that is not configured (any more) has nothing.
    func resolved(among configured: [TenantConfiguration]) -> TokenScope {
        var scope = self
        scope.found = configured.filter { tenants.contains($0.name) }
        return scope
    }

    /// Whether anything in that repository is within the scope.
    package func allows(_ repository: Repository) -> Bool {
        repositories.contains { $0.matches(repository.description) }
            || found.contains { $0.contains(repository) }
    }

    /// Whether statements of that type are within the scope.
    package func allows(_ type: PredicateType) -> Bool { allows(predicateType: type.uri) }

    /// Whether what was signed for that purpose is: an artifact's own signature is, of whatever type documents may be.
    package func allows(_ purpose: Purpose) -> Bool { purpose.predicateType.map(allows(predicateType:)) ?? true }

    /// Whether work in that repository is; nil: what is known by its tag alone, and can only become a signature.
    package func allows(_ repository: Repository, for purpose: Purpose?) -> Bool {
        allows(repository) && (purpose.map { allows($0) } ?? true)
    }

    func allows(predicateType uri: String) -> Bool {
        predicateTypes.contains { $0 == "*" || $0.utf8.elementsEqual(uri.utf8) }
    }

    /// The URIs that it is confined to; nil where it allows every type.
    package var onlyTypes: [String]? { predicateTypes.contains("*") ? nil : predicateTypes }
}

extension TokenScope: CustomStringConvertible {
    /// For people: `repositories a b, tenants c, types d`, without what it has none of.
    package var description: String {
        [("repositories", repositories.map(\.pattern)), ("tenants", tenants), ("types", onlyTypes ?? [])]
            .filter { !$0.1.isEmpty }.map { ([$0] + $1).joined(separator: " ") }.joined(separator: ", ")
    }
}
