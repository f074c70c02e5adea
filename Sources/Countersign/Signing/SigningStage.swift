import FailPoints
import Logging
import OpenSSL

/// The steps of the line, in order: the words of logs, of `last_error.stage` and of `countersign_stage_seconds`.
package enum SigningStage: String, Sendable, CaseIterable {
    case authorise, fetch, adopt, certificate, sign, timestamp, prepare, log, verify, publish
    case readBack = "read_back"
    case resolve
}

/// A failed step: which, and what it met.
struct StageFailure: Error {
    let stage: SigningStage
    let underlying: any Error
}

/// One attempt as it is told: every step writes one line and one measurement under the same keys, so that a push can be
/// followed by its job, its digest or its log index.
struct AttemptTrace: Sendable {
    private let logger: Logger
    private let metrics: ServiceMetrics

    init(_ claim: Claim, logger: Logger, metrics: ServiceMetrics) {
        var logger = logger
        logger[metadataKey: "job.id"] = "\(claim.jobID)"
        logger[metadataKey: "job.attempt"] = "\(claim.attempt)"
        if let key = claim.deliveryKey { logger[metadataKey: "delivery.id"] = "\(Hex.encode(key.prefix(8)))" }
        logger[metadataKey: "repository"] = "\(claim.repository)"
        if let target = claim.target { logger[metadataKey: "artifact.digest"] = "\(target.digest)" }
        self.logger = logger
        self.metrics = metrics
    }

    /// Runs one step; a failure leaves with the step's name.
    func stage<Result: Sendable>(
        _ stage: SigningStage, _ extra: (Result) -> Logger.Metadata = { _ in [:] }, _ step: () async throws -> Result
    ) async throws -> Result {
        let start = ContinuousClock.now
        do {
            let result = try await stage.failPoint.around(stage.injected, step)
            let elapsed = ContinuousClock.now - start
            metrics.stageSeconds.observe(elapsed, stage.rawValue)
            logger.info(
                "\(stage.rawValue)",
                metadata: ["stage": "\(stage.rawValue)", "ms": "\(elapsed.inMilliseconds)"].merging(extra(result)) {
                    $1
                })
            return result
        } catch let failure as StageFailure {
            throw failure
        } catch {
            throw StageFailure(stage: stage, underlying: error)
        }
    }

    func note(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata = [:]) {
        logger.log(level: level, message, metadata: metadata)
    }
}

extension Duration {
    /// Milliseconds with two decimals, for logs.
    var inMilliseconds: Double {
        (self / .microseconds(10)).rounded() / 100
    }
}
