import FoundationEssentials
import Testing

@testable import OpenSSL

/// What is remembered of an authority, and what still is judged anew for every stamp.
@Suite struct TimestampSignersTests {
    let message = Array("a signature".utf8)
    let now = OwnAuthority.start.addingTimeInterval(60)
    let authority: OwnAuthority
    let key: PrivateKey
    let certificate: Certificate
    let signers: TimestampSigners

    init() throws {
        authority = try OwnAuthority()
        key = try PrivateKey.generate(.ecdsaP256)
        certificate = try authority.issue(OwnAuthority.timestampLeaf, for: key)
        signers = TimestampSigners(chain: [certificate, authority.intermediate], roots: [authority.root])
    }

    private func stamp(
        at time: Date, serial: [UInt8] = [1], nonce: [UInt8]? = nil, key: PrivateKey? = nil,
        by signer: Certificate? = nil
    ) throws -> [UInt8] {
        try TimestampResponse.issue(
            TimestampRequest(imprintOf: message, nonce: nonce, requestsCertificates: signer != nil),
            key: key ?? self.key, certificate: signer ?? certificate, policy: TimestampTests.policy,
            serialNumber: serial, time: time)
    }

    private func code(_ der: [UInt8], _ signers: TimestampSigners) -> String {
        do throws(CryptoError) {
            _ = try TimestampResponse(der: der).verify(imprintOf: message, by: signers)
            return "accepted"
        } catch {
            return error.code
        }
    }

    @Test func `a chain is built once, and its validity is asked every time`() throws {
        #expect(!signers.isKnown(certificate, at: now))
        #expect(code(try stamp(at: now), signers) == "accepted")
        #expect(signers.isKnown(certificate, at: now))
        #expect(signers.isKnown(certificate, at: certificate.notAfter))
        let late = certificate.notAfter.addingTimeInterval(1)
        #expect(!signers.isKnown(certificate, at: late))
        #expect(code(try stamp(at: late), signers) == "crypto.outside_validity")
        #expect(code(try stamp(at: now.addingTimeInterval(1)), signers) == "accepted")
    }

    @Test func `a known signer's name does not carry another's signature`() throws {
        #expect(code(try stamp(at: now), signers) == "accepted")
        var forged = try stamp(at: now)
        forged[forged.count - 1] ^= 1
        #expect(code(forged, signers) == "crypto.timestamp")
        var twin = OwnAuthority.timestampLeaf
        twin.serialNumber = certificate.serialNumber
        let rogueKey = try PrivateKey.generate(.ecdsaP256)
        let rogue = try authority.issue(twin, for: rogueKey)
        #expect(code(try stamp(at: now, key: rogueKey, by: rogue), signers) == "crypto.timestamp")
    }

    @Test func `a signer that the token brings along is an anchor for nothing`() throws {
        let other = try OwnAuthority()
        let foreign = try other.issue(OwnAuthority.timestampLeaf, for: key)
        let open = TimestampSigners(chain: [authority.intermediate], roots: [authority.root])
        let der = try stamp(at: now, by: foreign)
        #expect(code(der, open) == "crypto.chain")
        #expect(!open.isKnown(foreign, at: now))
        #expect(code(der, TimestampSigners(chain: [other.intermediate], roots: [other.root])) == "accepted")
    }

    @Test func `failures are not remembered, and the memory is bounded`() throws {
        let open = TimestampSigners(chain: [authority.intermediate], roots: [authority.root])
        #expect(code(try stamp(at: now), open) == "crypto.timestamp")
        var stamped: [Certificate] = []
        for _ in 0...16 {
            let next = try authority.issue(OwnAuthority.timestampLeaf, for: key)
            #expect(code(try stamp(at: now, by: next), open) == "accepted")
            stamped.append(next)
        }
        #expect(stamped.map { open.isKnown($0, at: now) } == [false] + Array(repeating: true, count: 16))
    }

    // MARK: Negative numbers

    /// The bytes with the first INTEGER of that content made negative.
    private func negated(_ der: [UInt8], _ content: [UInt8]) throws -> [UInt8] {
        let place = try #require(der.firstRange(of: [DER.Tag.integer, UInt8(content.count)] + content))
        var changed = der
        changed[place.lowerBound + 2] |= 0x80
        return changed
    }

    @Test func `a token's serial number may be negative, its nonce and a certificate's number may not`() throws {
        let serial: [UInt8] = [0x5E, 0xAD, 0xBE, 0xEF]
        let nonce: [UInt8] = [0x49, 0x96, 0x02, 0xD2]
        let der = try stamp(at: now, serial: serial, nonce: nonce)
        let token = try #require(try TimestampResponse(der: negated(der, serial)).token)
        #expect(token.serialNumber == [0xDE, 0xAD, 0xBE, 0xEF])
        #expect(throws: CryptoError.self) { try TimestampResponse(der: negated(der, nonce)) }
        var template = OwnAuthority.timestampLeaf
        template.serialNumber = serial
        let numbered = try authority.issue(template, for: key)
        #expect(throws: CryptoError.self) { try Certificate(der: negated(numbered.der, serial)) }
    }

    @Test func `a serial number has one encoding`() throws {
        func read(_ content: [UInt8]) throws -> [UInt8] {
            var reader = DERReader(DER.element(DER.Tag.integer, content), "test")
            let number = try reader.readSerialNumber()
            try reader.finish()
            return number
        }
        for (content, number) in [
            ([0], []), ([0x7F], [0x7F]), ([0, 0x80], [0x80]), ([0x80], [0x80]), ([0xFF], [0xFF]),
            ([0xFF, 0x7F], [0xFF, 0x7F]),
        ] as [([UInt8], [UInt8])] {
            #expect(try read(content) == number)
        }
        for content in [[], [0, 0x7F], [0xFF, 0x80]] as [[UInt8]] {
            #expect(throws: CryptoError.self) { try read(content) }
        }
    }
}
