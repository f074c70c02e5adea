import Curl
import OCI

/// Where the tags of a page point: the registry is asked for each.
extension Sweep {
    /// A tag and where the registry says that it points.
    struct Found: Sendable {
        let tag: String
        /// nil: there is a manifest, and it cannot be read.
        let digest: OCI.Digest?
        /// What the registry answered each time instead of a manifest.
        var fault: OCIError?
    }

    private enum Answer: Sendable {
        case found(Found)
        /// It is not there any more.
        case gone
        /// There was no turn for it at the registry's rate; to be asked again after this time.
        case unasked(Duration)
    }

    /// Where so many tags point; nil: another daemon has the turn. What does not come to its turn, behind pushes and batches, is
    /// asked again by itself: to ask for the whole page again would take as many turns as before, and never come to its end.
    func answers(
        about tags: [String], of sweep: SweepRecords.Sweep, _ registry: SweptRegistry
    ) async throws -> [Found]? {
        var (found, left) = ([Found](), tags)
        while true {
            // at a low rate a page takes longer than a turn
            guard try await turns.take(registry.turn) else { return nil }
            let answers = try await withThrowingTaskGroup(of: (tag: String, answer: Answer).self) { group in
                for tag in left { group.addTask { (tag, try await answer(about: tag, of: sweep, registry)) } }
                return try await group.reduce(into: [(tag: String, answer: Answer)]()) { $0.append($1) }
            }
            var pause = Duration.zero
            left = []
            for (tag, answer) in answers {
                switch answer {
                case .found(let one): found.append(one)
                case .gone: break
                case .unasked(let time):
                    left.append(tag)
                    pause = max(pause, time)
                }
            }
            guard !left.isEmpty else { return found }
            try await Task.sleep(for: min(pause, turns.renewal))
        }
    }

    private func answer(
        about tag: String, of sweep: SweepRecords.Sweep, _ registry: SweptRegistry
    ) async throws -> Answer {
        do {
            return try await find(tag, in: sweep.repository.name, registry).map(Answer.found) ?? .gone
        } catch OCIError.transport(_, .withheld(let withheld)) where withheld.code == DependencyGate.exhaustedCode {
            return .unasked(withheld.after)
        } catch let error as OCIError where sweep.failures >= Self.tagPatience && error.isAboutTheTag {
            return .found(Found(tag: tag, digest: nil, fault: error))
        }
    }

    /// Asks where a tag points. nil: it is not there any more.
    private func find(_ tag: String, in name: String, _ registry: SweptRegistry) async throws -> Found? {
        try await registry.pacer.pass()
        do {
            if let digest = try await registry.client.claimedDigest(name, tag: tag) {
                return Found(tag: tag, digest: digest)
            }
        } catch .notFound {
            // the head of an answer does not say who speaks, the registry or a proxy before it: the whole one does
        }
        try await registry.pacer.pass()
        do {
            return Found(tag: tag, digest: try await registry.client.resolve(name, tag: tag).descriptor.digest)
        } catch {
            switch error {
            case .notFound(let answer) where answer.isDistributionError: return nil
            case .unsupportedMediaType, .manifestMalformed, .tooLarge, .digestMismatch:
                return Found(tag: tag, digest: nil)
            default: throw error
            }
        }
    }
}
