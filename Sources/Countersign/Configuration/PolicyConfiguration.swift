/// What we sign: the first rule whose globs match decides; without a match nothing is signed.
package struct PolicyConfiguration: Sendable, Equatable {
    /// In order. Default none: nothing is signed.
    package var rules: [Rule] = []

    package init(rules: [Rule] = []) { self.rules = rules }

    package struct Rule: Sendable, Equatable {
        /// Its name in records and in the signed statement (`dev.countersign/rule`): `[a-z0-9._-]`, at most 63.
        package var name: String
        /// What becomes of a match. Default `sign`.
        package var effect: Effect = .sign
        /// Globs over `registry/repository`, the canonical name included.
        package var repositories: [Glob]
        /// What becomes of a push without a tag. Default `refuse`: recorded with the reason. The children of an index arrive
        /// as such pushes, before the index, and nobody can tell them from an image that is pushed by digest alone; `sign`
        /// signs both.
        package var untagged: Effect = .refuse
        /// What is signed of a multi-arch index. Default `index`.
        package var index: IndexSigning = .index
        /// In which forms the signature is published, all of them made in one signing event. Default `bundle`.
        package var formats: [SignatureFormat] = [.bundle]
        /// As whom it is signed: a name of `sigstore.identities`. Default `default`.
        package var identity = Self.defaultIdentity
        /// In which log it is entered: a name of `sigstore.logs`. Default nil: the first that takes the format.
        package var log: String?

        /// The identity of rules that name none.
        package static let defaultIdentity = "default"

        package init(name: String, repositories: [Glob], index: IndexSigning = .index) {
            self.name = name
            self.repositories = repositories
            self.index = index
        }
    }

    package enum Effect: String, Sendable, CaseIterable {
        case sign
        /// Ends the search: recorded as refused with this rule's name.
        case refuse
    }

    /// What is signed when the pushed manifest is an index. BuildKit's `unknown/unknown` children never are.
    package enum IndexSigning: String, Sendable, CaseIterable {
        /// The index itself.
        case index
        /// Each manifest it lists.
        case children
        case both
    }
}
