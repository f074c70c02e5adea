import OCI
import Postgres

extension Row {
    /// The repository that columns `registry` and `name` spell; nil where that is no repository's name. The table takes none
    /// such; where its owner has lifted that rule, one row must not stop what reads them all.
    func validRepository() throws -> Repository? { try validRepository(in: try decode("registry")) }

    /// The same, with column `name` alone.
    func validRepository(in registry: String) throws -> Repository? {
        let name: String = try decode("name")
        return try? Repository(registry: registry, name: name)
    }
}
