// SPDX-License-Identifier: Apache-2.0
import Fuzz
import Glibc
import TestSupport
import Testing

/// What libFuzzer begins with, and what it has found: `make fuzz`, for a moment, in each run of the tests.
@Suite struct CorpusTests {
  private static let folder = "Tests/Fuzz/corpus"

  private static func bytes(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0, "\(path)")
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(descriptor, &piece, piece.count), count > 0 { bytes += piece[..<count] }
    return bytes
  }

  @Test("each target has inputs and a dictionary of its own, and there is none without a target")
  func foldersAreTargets() {
    let names = FuzzTarget.allCases.map(\.rawValue).sorted()
    #expect(Files.names(in: Repository.root + "/" + CorpusTests.folder) == names)
    #expect(Files.names(in: Repository.root + "/Tests/Fuzz/dictionaries") == names.map { $0 + ".dict" })
    let makefile = Files.text(Repository.root + "/Makefile") ?? ""
    let made = makefile.split(separator: "\n").first { $0.hasPrefix("FUZZ_TARGETS ?= ") }
    #expect(made?.dropFirst(16).split(separator: " ").map(String.init).sorted() == names)
  }

  @Test(
    "what holds of any input holds of each that is kept, and of each of its beginnings", arguments: FuzzTarget.allCases)
  func corpus(target: FuzzTarget) throws {
    let names = Files.names(in: Repository.root + "/\(CorpusTests.folder)/\(target.rawValue)")
    try #require(!names.isEmpty)
    for name in names {
      let input = try CorpusTests.bytes(Repository.root + "/\(CorpusTests.folder)/\(target.rawValue)/\(name)")
      for count in stride(from: input.count, to: 0, by: -max(1, input.count / 4)) {
        #expect(throws: Never.self, "\(target.rawValue)/\(name), \(count) bytes") {
          try target.take(Array(input[..<count]))
        }
      }
    }
  }
}
