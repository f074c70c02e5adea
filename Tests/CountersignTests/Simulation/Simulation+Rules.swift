@testable import Countersign

// What must hold, whatever happened.
extension Simulation {
    /// After every step that wrote something.
    mutating func check() {
        let revision = queue.revision + journal.revision
        guard violation == nil, revision != checked else { return }
        checked = revision
        if let contradiction = queue.contradiction { violate(contradiction) }
        for row in journal.rows {
            if row.isAbandoned, !explained.contains(row.signature) { explain(row) }
            guard row.isLive else { continue }
            let others = journal.rows.filter { $0.isLive && $0.target == row.target && $0.format == row.format }
            if others.count > 1 { violate("target \(row.target) has \(others.count) live signatures") }
        }
        for (number, target) in queue.targets.enumerated() where target?.state == .signed { checkSigned(number) }
    }

    /// Signed is said only of what is in the log, published and read back.
    private mutating func checkSigned(_ number: Int) {
        for format in 0..<images[number].formats {
            guard let row = journal.live(number, format) else {
                return violate("target \(number) is signed and has no evidence")
            }
            guard let entry = row.entry, outside.entries[row.signature] == entry else {
                return violate("target \(number) is signed and signature \(row.signature) is not in the log")
            }
            if outside.datesEntries, entry > row.certificateEnd {
                return violate("target \(number) is signed and its certificate did not hold")
            }
            guard row.isPushed, outside.readBack.contains(row.signature) else {
                return violate("target \(number) is signed and nobody saw signature \(row.signature) in the registry")
            }
        }
    }

    /// Put aside only what the log dated outside the certificate, or did not have at two looks: one after the end, and one
    /// the settling time later.
    private mutating func explain(_ row: JournalModel.EvidenceRow) {
        explained.insert(row.signature)
        if outside.datesEntries, let entry = row.entry, entry > row.certificateEnd { return }
        let looks = outside.looks[row.signature] ?? []
        guard let first = looks.first, let last = looks.last, last >= max(first, row.certificateEnd) + Self.settling
        else {
            return violate(
                "signature \(row.signature) was put aside after looks at \(looks), its certificate ended \(row.certificateEnd)"
            )
        }
    }

    /// In the end: every target as its image deserves, each signature once, and where its readers look.
    mutating func judge() {
        for (number, target) in queue.targets.enumerated() {
            guard let target else { return violate("a push was lost") }
            let ends: Bool =
                switch (images[number].nature, target.state) {
                case (.good, .signed), (.refused, .refused), (.absent, .gone), (.broken, .failed): true
                // a worker died with it alone
                case (_, .failed): target.code == "queue.poison"
                // an operator's word
                case (_, .cancelled): true
                default: false
                }
            if !ends { violate("target \(number), \(images[number].nature), ended as \(target.state.rawValue)") }
            if target.state == .signed { judgePublished(number) }
        }
        for signature in outside.entries.keys where !journal.rows.contains(where: { $0.signature == signature }) {
            violate("the log has signature \(signature), and no row explains it")
        }
        for row in journal.rows {
            let entries = journal.rows.filter {
                $0.target == row.target && $0.format == row.format && !$0.isAbandoned
                    && outside.entries[$0.signature] != nil
            }
            if entries.count > 1 { violate("target \(row.target) has \(entries.count) entries in the log") }
        }
    }

    private mutating func judgePublished(_ number: Int) {
        for format in 0..<images[number].formats {
            guard let row = journal.live(number, format) else { continue }
            if !outside.serves(row.signature, in: place(number, format)) {
                violate("target \(number) is signed and signature \(row.signature) is not listed")
            }
            let own = outside.lists[place(number, format)].filter { signatures[$0].target == number }
            if own.count != 1 { violate("target \(number) has \(own.count) signatures listed") }
        }
    }
}
