package import OCI
import Sigstore

/// What hangs on an artifact in its registry: referrers, the older tags of cosign, the images of an index.
package struct ReferenceTree: Encodable, Sendable {
    /// One thing, and what hangs on it.
    package struct Node: Encodable, Sendable {
        /// `subject`, `child`, `signature`, `attestation`, `referrer`, `tag`, `layer`, `unreadable`; `repository` for one that
        /// signatures are kept in, with what is there.
        package let kind: String
        /// A digest, a tag, or a repository.
        package let name: String
        /// Media, artifact or predicate type: what it is, as it says itself.
        package let type: String
        /// Bytes of its manifest or blob; nil where that is not known.
        package var size: Int?
        /// Platform of an index's child, or why something cannot be read.
        package var note: String?
        package var children: [Node] = []
    }

    package let reference: String
    package let root: Node

    /// The most children of an index whose own attachments are looked at.
    package static let childLimit = 64
}

extension ReferenceTree {
    /// Reads what the registry lists.
    /// - Parameters:
    ///   - signatures: where signatures are kept, if not beside their images; looked at beside the image's own repository.
    ///   - deep: whether the attachments of an index's children are listed too, each a few requests.
    /// - Throws: ``OCIError`` when the registry does not say: a tree never leaves out what could not be asked.
    package static func read(
        _ reference: Reference, from registry: RegistryClient, signatures: SignaturePlace? = nil, deep: Bool = false
    ) async throws(OCIError) -> ReferenceTree {
        let subject = try await registry.subject(of: reference)
        let own = SignaturePlace(registry: registry, repository: reference.repository)
        let apart = signatures.flatMap { $0.repository == own.repository ? nil : $0 }
        func attachments(_ digest: Digest) async throws(OCIError) -> [Node] {
            var nodes = try await own.attachments(of: digest)
            guard let apart else { return nodes }
            let kept = try await apart.attachments(of: digest)
            nodes.append(
                Node(
                    kind: "repository", name: "\(apart.repository)", type: "",
                    note: kept.isEmpty ? "nothing of it" : nil,
                    children: kept))
            return nodes
        }
        var root = Node(
            kind: "subject", name: "\(subject.descriptor.digest)",
            type: subject.artifactType ?? subject.descriptor.mediaType, size: subject.descriptor.size)
        root.children = try await attachments(subject.descriptor.digest)
        if case .index(let index) = subject.content {
            for (number, child) in index.manifests.enumerated() {
                var node = Node(
                    kind: "child", name: "\(child.digest)", type: child.artifactType ?? child.mediaType,
                    size: child.size, note: child.platform.map(\.words))
                if deep, number < childLimit { node.children = try await attachments(child.digest) }
                root.children.append(node)
            }
        }
        return ReferenceTree(reference: reference.description, root: root)
    }

    /// The tree as lines of text, a branch each.
    package var lines: [String] {
        func branch(_ node: Node, _ prefix: String) -> [String] {
            node.children.enumerated().flatMap { number, child in
                let isLast = number == node.children.count - 1
                return ["\(prefix)\(isLast ? "└── " : "├── ")\(child.words)"]
                    + branch(child, prefix + (isLast ? "    " : "│   "))
            }
        }
        return (["\(reference)", "\(root.words)"] + branch(root, "")).map(\.printable)
    }
}

extension ReferenceTree.Node {
    fileprivate var words: String {
        var words = "\(kind) \(name)"
        if !type.isEmpty { words += "  \(type)" }
        if let size { words += "  \(size) B" }
        if let note { words += "  (\(note))" }
        return words
    }
}

extension Descriptor.Platform {
    fileprivate var words: String { "\(os)/\(architecture)" + (variant.map { "/\($0)" } ?? "") }
}

extension SignaturePlace {
    /// Referrers first, then the older tags.
    fileprivate func attachments(of digest: Digest) async throws(OCIError) -> [ReferenceTree.Node] {
        let attached = try await attached(to: digest)
        var nodes: [ReferenceTree.Node] = []
        var tags: [String: [ReferenceTree.Node]] = [:]
        for signature in attached.signatures {
            let kind = signature.predicateType == Statement.cosignSignPredicateType ? "signature" : "attestation"
            let type = signature.predicateType ?? signature.layer.mediaType
            if let tag = signature.location.tag {
                tags[tag, default: []].append(
                    .init(kind: kind, name: "\(signature.layer.digest)", type: type, size: signature.layer.size))
            } else {
                nodes.append(
                    .init(
                        kind: kind, name: signature.location.manifest.map { "\($0)" } ?? "", type: type,
                        size: signature.layer.size))
            }
        }
        for other in attached.others {
            nodes.append(
                .init(
                    kind: "referrer", name: "\(other.digest)", type: other.artifactType ?? other.mediaType,
                    size: other.size))
        }
        for tag in tags.keys.sorted() {
            nodes.append(.init(kind: "tag", name: tag, type: "", children: tags[tag] ?? []))
        }
        if let sbom = try await unsignedSBOM(of: digest) { nodes.append(sbom) }
        for one in attached.unreadable {
            nodes.append(.init(kind: "unreadable", name: "\(one.location)", type: "", note: one.observed))
        }
        return nodes
    }

    /// What lies under the `.sbom` tag; nil when the registry says that there is no such tag.
    private func unsignedSBOM(of digest: Digest) async throws(OCIError) -> ReferenceTree.Node? {
        guard digest.algorithm == .sha256 else { return nil }
        let tag = try SignatureTag.sbom(for: digest)
        do throws(OCIError) {
            let manifest = try await registry.resolve(repository.name, tag: tag)
            var node = ReferenceTree.Node(kind: "tag", name: tag, type: "")
            if case .image(let image) = manifest.content {
                node.children = image.layers.map {
                    .init(kind: "layer", name: "\($0.digest)", type: $0.mediaType, size: $0.size, note: "not signed")
                }
            }
            return node
        } catch {
            guard case .notFound = error else { throw error }
            return nil
        }
    }
}
