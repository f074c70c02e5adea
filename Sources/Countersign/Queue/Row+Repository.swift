import OCI
import Postgres

extension Row {
    /// The repository that columns `registry` and `name` spell; nil where that is no repository's name. The daemon writes none
    /// such, and a row by another hand (the role that takes notifications may insert some) must not stop what reads them all.
    func validRepository() throws -> Repository? { try validRepository(in: try decode("registry")) }

    /// The same, with column `name` alone.
    func validRepository(in registry: String) throws -> Repository? {
        let name: String = try decode("name")
        return try? Repository(registry: registry, name: name)
    }
}
