import Testing

@testable import Countersign

#if canImport(Glibc)
    import Glibc

    @Suite struct HeapUpkeepTests {
        @Test func `glibc takes a limit of arenas`() {
            #expect(HeapUpkeep.limitArenas(cores: 64))
        }

        @Test func `free pages are given back where they lie`() {
            // in pieces below the size that has mappings of its own; the last, which stays, keeps them from the heap's end
            let pieces = (0..<2048).map { _ in
                let piece = UnsafeMutableRawPointer.allocate(byteCount: 32 << 10, alignment: 16)
                piece.initializeMemory(as: UInt8.self, repeating: 1, count: 32 << 10)
                return piece
            }
            #expect(pieces.allSatisfy(Self.isResident))
            for piece in pieces.dropLast() { piece.deallocate() }
            defer { pieces.last?.deallocate() }

            // what it returns is not looked at: a daemon of another test may have given them back a moment before
            HeapUpkeep.giveBack()
            let kept = pieces.dropLast().filter(Self.isResident).count
            #expect(kept < pieces.count / 4, "\(kept) of \(pieces.count) pieces are resident still")
        }

        /// Whether the page in the middle of a piece is in memory; one that is not even mapped is not.
        private static func isResident(_ piece: UnsafeMutableRawPointer) -> Bool {
            let size = Int(sysconf(Int32(_SC_PAGESIZE)))
            let page = UnsafeMutableRawPointer(bitPattern: (Int(bitPattern: piece) + (16 << 10)) / size * size)
            var state: UInt8 = 0
            return mincore(page, size, &state) == 0 && state & 1 == 1
        }
    }
#endif
