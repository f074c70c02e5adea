#if FAIL_POINTS
    import CSpawn
    import Glibc
    import Synchronization
#endif

extension FailPoint {
    /// Arms the one fail point of this process.
    /// - Throws: ``FailPointError/notCompiledIn`` in a build without them; `unknown`, `noAnswer`.
    package static func arm(_ setting: FailPointSetting) throws(FailPointError) {
        #if FAIL_POINTS
            guard let point = allCases.first(where: { $0.name == setting.step }) else { throw .unknown(setting.step) }
            if setting.action == .drop, setting.side == .before || !point.hasAnswer {
                throw .noAnswer("\(setting.side.rawValue)-\(setting.step)")
            }
            ArmedFailPoint.arm(point, setting)
        #else
            throw .notCompiledIn
        #endif
    }
}

#if FAIL_POINTS
    extension FailPoint {
        /// The case's words, joined by `-`: `record-entry`.
        var name: String {
            "\(self)".reduce(into: "") { $0 += $1.isUppercase ? "-\($1.lowercased())" : "\($1)" }
        }

        /// Whether somebody else does the step and answers.
        var hasAnswer: Bool {
            switch self {
            case .authorise, .adopt, .sign, .verify, .publish, .groupMember: false
            case .delivery, .batchStep, .resolve, .claim, .fetch, .certificate, .timestamp, .prepare, .log,
                .recordEntry, .turn, .pushBlob, .pushManifest, .pushIndex, .pushTag, .readBack,
                .recordPush, .settle, .groupGather, .groupPrepare, .groupLog, .groupRecordEntry, .storeDocument,
                .supersede, .recordRemoval, .sweepPage, .recordAdoption, .recordMissing, .release, .notify,
                .recordNotification, .anchorPrepare, .anchorLog, .anchorRecordEntry, .monitorPage:
                true
            }
        }
    }

    /// The fail point that is armed, and how often it was passed.
    enum ArmedFailPoint {
        private struct State {
            let point: FailPoint
            let setting: FailPointSetting
            var passages = 0
        }

        private static let state = Mutex<State?>(nil)

        static func arm(_ point: FailPoint, _ setting: FailPointSetting) {
            state.withLock { $0 = State(point: point, setting: setting) }
        }

        /// Does what is set for this passage; returns what the step is to fail with, if it is.
        static func pass(_ side: FailPointSetting.Side, _ point: FailPoint) -> InjectedFault? {
            let due = state.withLock { state -> FailPointSetting? in
                guard let armed = state, armed.point == point, armed.setting.side == side else { return nil }
                state?.passages += 1
                return armed.passages + 1 == armed.setting.passage ? armed.setting : nil
            }
            guard let due else { return nil }
            report("fail point reached: \(side.rawValue)-\(point.name)\n")
            switch due.action {
            case .error: return .error
            case .drop: return .answerLost
            case .kill: kill(getpid(), SIGKILL)
            case .hang(let seconds): standStill(seconds)
            }
            // the signal takes every thread, this one perhaps a moment later
            usleep(200_000)
            return nil
        }

        /// To standard error and past every buffer: the process may not live to flush one.
        private static func report(_ line: String) {
            let bytes = Array(line.utf8)
            _ = write(STDERR_FILENO, bytes, bytes.count)
        }

        /// Stops this process as SIGSTOP does. Another one, which has none of its descriptors, lets it go on.
        private static func standStill(_ seconds: Int) {
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            guard cspawn_close_from(&actions, STDERR_FILENO + 1) == 0 else {
                return report("fail point: out of memory\n")
            }
            let command = ["/bin/sh", "-c", "sleep \(seconds); kill -CONT \(getpid())"]
            let words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
            defer { words.forEach { free($0) } }
            var child = pid_t()
            guard posix_spawn(&child, "/bin/sh", &actions, nil, words + [nil], environ) == 0 else {
                return report("fail point: nobody could be started to wake this process; it does not stand still\n")
            }
            kill(getpid(), SIGSTOP)
        }
    }
#endif
