import Curl
import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sigstore
import Synchronization

/// Every dependency of this daemon with its gate. As a service it keeps what is known of the others fresh, also while
/// nothing is signed.
package final class Dependencies: Service {
    private let configuration: BudgetConfiguration
    private let longestPause: Duration
    private let board: DependencyBoard
    private let metrics: BudgetMetrics
    private let gates = Mutex<[Dependency: DependencyGate]>([:])

    /// - Parameters:
    ///   - queue: whose jobs wait, and whose database is shared.
    ///   - longestPause: the longest that a Retry-After is obeyed.
    ///   - living: a daemon that was not heard of for so long has no share any more: three heartbeats.
    ///   - cacheAge: how old what is believed of the others may be.
    ///   - turn: how long a place is one daemon's, where there are more daemons than places.
    package init(
        _ configuration: BudgetConfiguration, queue: JobQueue, longestPause: Duration = .seconds(900),
        living: Duration = .seconds(30), cacheAge: Duration = .seconds(1), turn: Duration = .seconds(10),
        metrics: BudgetMetrics, logger: Logger
    ) {
        self.configuration = configuration
        self.longestPause = longestPause
        self.metrics = metrics
        board = DependencyBoard(
            queue: queue, settings: .init(cacheAge: cacheAge, living: living, turn: turn), metrics: metrics,
            logger: logger)
        metrics.registry.collect { [weak self] in self?.show() }
    }

    /// The gate of a dependency: one for each, however often it is asked for.
    package func gate(_ dependency: Dependency) -> DependencyGate {
        gates.withLock { gates in
            if let known = gates[dependency] { return known }
            let charge: DependencyGate.Charge = [.tsa, .rekor].contains(dependency.kind) ? .admissions : .requests
            let gate = DependencyGate(
                dependency, configuration.settings(of: dependency, longestPause: longestPause), charge: charge,
                board: board)
            gates[dependency] = gate
            board.add(gate)
            return gate
        }
    }

    package func gate(_ kind: Dependency.Kind, _ name: String) -> DependencyGate { gate(Dependency(kind, name)) }

    /// Registries that are not asked now, before which a line stands, or at which other daemons have the places: their jobs are
    /// not claimed, and take no slot from those of others.
    package var closedRegistries: [String] { registries { $0.refusalNow != nil || $0.isCrowded || !$0.hasPlace } }

    /// Registries before which as much of the bulk lane stands as gets its turn in time. A push goes before it, and is claimed.
    package var registriesCrowdedByBulk: [String] { registries(where: \.isCrowdedByBulk) }

    private func registries(where isMeant: (DependencyGate) -> Bool) -> [String] {
        board.gates.filter { $0.dependency.kind == .registry && isMeant($0) }.map(\.dependency.name)
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            // new repositories within a second; tenants that another daemon's configuration brought within half a minute
            var round = 0
            while !Task.isCancelled {
                await self.refresh()
                if await self.board.assignTenants(all: round == 0, learns: round % 30 == 0) { round += 1 }
                do { try await Task.sleep(for: .seconds(1) * Double.random(in: 0.9..<1.1)) } catch { return }
            }
        }
    }

    /// One look at the table, and what follows from it.
    package func refresh() async {
        await board.freshen()
        board.share()
        for gate in board.gates where gate.dependency.kind == .registry {
            gate.easeBulk()
            guard let refusal = gate.refusalNow else { continue }
            await board.park(gate.dependency, Failure(refusal, stage: .fetch), after: refusal.after)
        }
    }

    /// Figures of the moment; what is unlimited or not paused is absent.
    private func show() {
        metrics.rate.clear()
        metrics.bulkLimit.clear()
        for gate in board.gates {
            let name = gate.dependency.description
            let state: Double =
                switch gate.phase {
                case .closed: 0
                case .halfOpen: 1
                case .open: 2
                }
            metrics.breaker.set(state, name)
            metrics.underWay.set(Double(gate.underWay), name)
            metrics.paused.set(gate.pause.map { $0 / .seconds(1) } ?? 0, name)
            if let rate = gate.rate { metrics.rate.set(rate, name) }
            if let limit = gate.bulkLimit { metrics.bulkLimit.set(Double(limit), name) }
        }
    }
}

/// Identity tokens behind the breaker of their source.
package struct GatedTokenSource: IdentityTokenSource {
    private let source: any IdentityTokenSource
    private let gate: DependencyGate

    package init(_ source: any IdentityTokenSource, gate: DependencyGate) {
        self.source = source
        self.gate = gate
    }

    package var description: String { source.description }

    package func token() async throws(SigstoreError) -> IdentityToken {
        do throws(Withheld) { try await gate.admit() } catch { throw .withheld(.identity, error) }
        do throws(SigstoreError) {
            let token = try await source.token()
            gate.note(.answered)
            return token
        } catch {
            gate.note(DependencyVerdict(error))
            throw error
        }
    }
}
