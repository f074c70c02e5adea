import FoundationEssentials
package import Logging
import ServiceLifecycle

/// Claims what is due, as much as it has free slots for, and works it off. Several workers share one database.
///
/// LISTEN/NOTIFY and pushes of this process wake it; polling makes it certain. On a stop signal it claims nothing more,
/// lets what is running finish its steps, and gives back the rest, attempt uncounted.
package struct Worker: Service {
    package struct Settings: Sendable {
        /// Jobs worked on at once.
        package var concurrency = 16
        /// Of these, how many are for live pushes alone: no backfill fills every slot.
        package var liveSlots = 0
        package var poll: Duration = .seconds(1)
        package var heartbeat: Duration = .seconds(10)
        package var shutdownGrace: Duration = .seconds(25)
        /// How long a worker without a free slot but one would leave a due job to the other daemons.
        package var hesitation: Duration = .milliseconds(150)
        /// Groups worked on at once, beside the slots.
        package var groups = 2
        /// Members of one group that are looked at or published at once.
        package var groupWidth = 16
        /// How long no group begins for a job that must run alone and was put off for those that ran.
        package var patience: Duration = .seconds(10)

        package init() {}
    }

    private let queue: JobQueue
    private let attempt: Attempt
    private let signal: JobSignal
    private let settings: Settings
    private let held: HeldClaims
    private let group: GroupAttempt
    private let dependencies: Dependencies
    private let progress: WorkerHeartbeat
    private let version: String
    private let logger: Logger

    package init(
        queue: JobQueue, attempt: Attempt, signal: JobSignal, settings: Settings, progress: WorkerHeartbeat,
        version: String, dependencies: Dependencies, logger: Logger
    ) {
        self.queue = queue
        self.dependencies = dependencies
        self.attempt = attempt
        self.signal = signal
        self.settings = settings
        self.progress = progress
        self.version = version
        self.logger = logger
        held = HeldClaims(patience: settings.patience)
        group = GroupAttempt(attempt, held: held, width: settings.groupWidth)
    }

    package func run() async throws {
        await announce(draining: false)
        let (claims, claimed) = AsyncStream<ClaimedWork>.makeStream()
        let hearts = Task { await beat() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await cancelWhenGracefulShutdown { await claimLoop(claimed) }
                claimed.finish()
            }
            group.addTask { await WorkerHeartbeat.$ofAttempt.withValue(progress) { await work(claims) } }
        }
        hearts.cancel()
        await hearts.value
    }

    /// Until cancelled: free slots → claim → hand over. A failing database is waited for, at the rate of the poll.
    private func claimLoop(_ claimed: AsyncStream<ClaimedWork>.Continuation) async {
        let cursor = ClaimCursor()
        var isBacklogged = false
        while !Task.isCancelled {
            var free = await held.freeSlots(of: settings.concurrency)
            if !isBacklogged { free = await standBack(free) }
            guard free > 0, !Task.isCancelled else { continue }
            do {
                let claims = try await claim(free, cursor)
                progress.advanced()
                // the slots for live pushes stay free beside any backlog of others
                isBacklogged = claims.count >= max(1, free - settings.liveSlots)
                let suspects = claims.filter { $0.crashes >= queue.settings.crashLimit }
                // there is always another group: none begins before a job that waits for the end of all
                if !suspects.isEmpty { await held.awaitLoneJob() }
                for work in ClaimedWork.sorted(claims.filter { $0.crashes < queue.settings.crashLimit }) {
                    await hand(over: work, claimed)
                }
                // One at a time, each with nothing beside it; the others go back for another look.
                await giveBack(Array(suspects.dropFirst()))
                if let suspect = suspects.first { await runAlone(suspect, claimed) }
                if claims.isEmpty { await signal.wait(upTo: settings.poll * Double.random(in: 0.8..<1.2)) }
            } catch {
                logger.error("claiming failed", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
                try? await Task.sleep(for: settings.poll)
            }
        }
    }

    /// Groups beyond the limit go back for a moment: to another daemon, or to this one when it has done with one.
    private func hand(over work: ClaimedWork, _ claimed: AsyncStream<ClaimedWork>.Continuation) async {
        switch work {
        case .one(let claim): await held.add(claim)
        case .group(let claims):
            guard await held.begin(claims, limit: settings.groups) else {
                let pause = settings.poll * Double.random(in: 1..<2)
                return await Task {
                    do throws(QueueError) { try await queue.putBack(unbegun: claims, after: pause) } catch {
                        logger.warning(
                            "claims were not given back; their leases run out",
                            metadata: ["error.code": "\(error.code)", "error": "\(error)"])
                    }
                }.value
            }
        }
        claimed.yield(work)
    }

    /// Fills the free slots: those for everybody by the lanes' weights, those for live pushes with live pushes.
    private func claim(_ free: Int, _ cursor: ClaimCursor) async throws(QueueError) -> [Claim] {
        let closed = dependencies.closedRegistries
        let closedToBulk = dependencies.registriesCrowdedByBulk
        let others = await held.slotsBeyondLive
        let groups = await held.hasPlaceForGroup(limit: settings.groups)
        let bulk = !attempt.parts.signers.areCrowdedByBulk(for: attempt.parts.policy.rules)
        let open = min(free, max(0, settings.concurrency - settings.liveSlots - others))
        var claims = try await queue.claim(
            limit: open, cursor: cursor, closed: closed, closedToBulk: closedToBulk, bulk: bulk, groups: groups)
        guard open < free, claims.count == open else { return claims }
        do throws(QueueError) {
            claims += try await queue.claim(
                limit: free - open, lanes: [.live], cursor: cursor, closed: closed, groups: groups)
        } catch {
            // what is held must be worked on; the next round meets the same fault, and reports it
            if claims.isEmpty { throw error }
        }
        return claims
    }

    /// The daemon that received a push hears of it first, and would take everything. So with others alive it hesitates, the
    /// longer the busier it is, and the idle take their share. Not while there is a backlog: then all have enough.
    private func standBack(_ free: Int) async -> Int {
        guard await held.peers > 0, free < settings.concurrency else { return free }
        let busy = Double(settings.concurrency - free) / Double(settings.concurrency)
        try? await Task.sleep(for: settings.hesitation * busy)
        return await held.freeSlots(of: settings.concurrency)
    }

    /// Runs what was claimed; when claiming ends, lets it finish within the grace and cancels the rest, whose outcome is
    /// then `released`.
    private func work(_ claims: AsyncStream<ClaimedWork>) async {
        await withDiscardingTaskGroup { group in
            for await work in claims {
                group.addTask {
                    switch work {
                    case .one(let claim): await held.running(claim) { await attempt(claim) }
                    case .group(let claims):
                        await self.group(claims)
                        await held.endGroup()
                    }
                    progress.advanced()
                    // the claim loop may have free slots, and none for a job like this one
                    if settings.liveSlots > 0, work.lane != .live { signal.raise() }
                }
            }
            await drain()
            group.cancelAll()
        }
    }

    /// A job that crashed its workers before: nothing else runs meanwhile, so that another crash is proven to be its own.
    private func runAlone(_ claim: Claim, _ claimed: AsyncStream<ClaimedWork>.Continuation) async {
        // groups run for long: claiming must not wait for their end, and no other begins meanwhile
        guard await !held.worksGroups else {
            return await Task {
                do throws(QueueError) { try await queue.putBack(unbegun: [claim], after: .seconds(5)) } catch {
                    logger.warning(
                        "a claim was not given back; its lease runs out",
                        metadata: ["error.code": "\(error.code)", "error": "\(error)"])
                }
            }.value
        }
        await held.add(claim)
        do {
            guard await held.untilOnly(claim) else { throw CancellationError() }
            try await queue.markAlone(claim)
        } catch {
            await giveBack([claim])
            await held.remove(claim)
            return
        }
        claimed.yield(.one(claim))
        await held.untilGone(claim)
        await held.loneJobRan()
    }

    /// Releases claims that were never started. In a task of its own: the stop that cancels this one must not keep the
    /// jobs leased until they are taken for crashed.
    private func giveBack(_ claims: [Claim]) async {
        guard !claims.isEmpty else { return }
        await Task {
            do throws(QueueError) { try await queue.release(claims) } catch {
                logger.warning(
                    "claims were not given back; their leases run out",
                    metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            }
        }.value
    }

    private func beat() async {
        while true {
            do { try await Task.sleep(for: settings.heartbeat) } catch { return }
            let claims = await held.claims
            do {
                let beat = try await queue.heartbeat(claims)
                await held.stop(beat.lost.union(beat.cancelled))
                // no row is no share of anything: somebody's clean-up, a database that was restored
                if !beat.isKnown { await announce(draining: await !held.isGoingOn) }
                await held.meet(try await queue.peers(within: settings.heartbeat * 3))
            } catch {
                logger.error("heartbeat failed", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            }
        }
    }

    /// Waits for running attempts as long as the grace allows.
    private func drain() async {
        progress.stops()
        await held.drain()
        let running = await held.claims.count
        logger.notice("draining", metadata: ["held": "\(running)"])
        await announce(draining: true)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await held.untilEmpty() }
            group.addTask { try? await Task.sleep(for: settings.shutdownGrace) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Shows this process in the `worker` table. For people; nothing depends on it.
    private func announce(draining: Bool) async {
        do {
            try await queue.announce(host: ProcessInfo.processInfo.hostName, version: version, draining: draining)
        } catch {
            logger.warning("not shown in the worker table", metadata: ["error.code": "\(error.code)"])
        }
    }
}
