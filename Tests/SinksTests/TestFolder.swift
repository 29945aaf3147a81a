// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport

@testable import Sinks

/// A folder of a test's own below /tmp, removed with all that is in it.
final class TestFolder: Sendable {
  private static let made = Atomic(0)
  let path: String

  init() {
    path = "/tmp/oomwitness-delivery-\(getpid())-\(TestFolder.made.add(1, ordering: .relaxed).newValue)"
    mkdir(path, 0o700)
  }

  deinit { TestFolder.remove(path) }

  func bytes(_ name: String) -> [UInt8] {
    let descriptor = open(path + "/" + name, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &piece, piece.count)
      guard count > 0 else { return bytes }
      bytes += piece[..<count]
    }
  }

  func write(_ bytes: [UInt8], _ name: String) {
    let descriptor = open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    _ = Glibc.write(descriptor, bytes, bytes.count)
    close(descriptor)
  }

  private static func remove(_ path: String) {
    for name in Files.names(in: path) {
      if unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
    }
    rmdir(path)
  }
}

/// A destination that keeps what it is given, and does as a test says.
final class Keeper: LineDestination {
  var lines: [DeliveredLine] = []
  var room = Int.max
  /// Taken, and not said to have arrived.
  var holds = false
  var refuses = false

  override var hasRoom: Bool { room > 0 }

  override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds: Int64) -> Int {
    let count = min(room, lines.count)
    room -= count
    if refuses {
      for line in lines.prefix(count) { refused(line, .closed) }
      return count
    }
    for line in lines.prefix(count) {
      self.lines.append(line)
      took(line)
    }
    if !holds { arrive() }
    return count
  }

  func arrive() {
    succeed()
    arrived(through: taken)
  }

  func breakDown() { fail(.closed, nowNanoseconds: Monotonic.nanoseconds) }

  var numbers: [UInt64] { lines.map(\.number) }
}

/// A delivery without its thread: a test takes the turns.
final class Bench {
  let mailbox: DeliveryMailbox
  let core: DeliveryCore
  private(set) var keepers: [String: Keeper] = [:]

  init(_ settings: DeliverySettings, _ destinations: [DestinationSettings]) throws {
    mailbox = try DeliveryMailbox(bytesMax: settings.inboxBytesMax)
    var made: [String: Keeper] = [:]
    core = try DeliveryCore(settings, destinations, mailbox) { settings in
      let keeper = Keeper()
      made[settings.name] = keeper
      return keeper
    }
    keepers = made
  }

  static func destination(_ name: String, _ filter: DestinationFilter = DestinationFilter()) -> DestinationSettings {
    DestinationSettings(name: name, kind: .stdout, filter: filter)
  }

  func put(_ numbers: ClosedRange<Int>, bytes: Int = 10) {
    for number in numbers { _ = mailbox.put(Bench.line(number, bytes: bytes)) }
  }

  static func line(_ number: Int, bytes: Int = 10) -> [UInt8] {
    Array(#"{"seq":\#(number),"padding":"\#(String(repeating: "x", count: bytes))"}"#.utf8) + [0x0a]
  }

  /// Until nothing is left to do.
  func turns(nowNanoseconds now: Int64 = Monotonic.nanoseconds) {
    for _ in 0..<10_000 where !core.turn(nowNanoseconds: now) { return }
  }
}
