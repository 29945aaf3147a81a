// SPDX-License-Identifier: Apache-2.0
import Events

@testable import Sinks

/// A delivery from a spool to two destinations that take everything, without its thread.
final class FuzzDelivery {
  private let mailbox: DeliveryMailbox
  private let core: DeliveryCore
  private var keepers: [String: Keeper] = [:]
  private var losses: [String: UInt64] = [:]
  /// After which number each begins.
  private(set) var starts: [String: UInt64] = [:]

  /// Keeps what it is given.
  private final class Keeper: LineDestination {
    private(set) var lines: [ComposedSpool.Record] = []

    override var hasRoom: Bool { true }

    override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds: Int64) -> Int {
      for line in lines {
        self.lines.append(ComposedSpool.Record(number: line.number, payload: line.bytes))
        took(line)
      }
      succeed()
      arrived(through: taken)
      return lines.count
    }
  }

  init(_ folder: FuzzFolder) throws(FuzzFault) {
    let mailbox = try SpoolFuzz.opened { () throws(SinkError) in try DeliveryMailbox(bytesMax: 1 << 20) }
    let destinations = ["a", "b"].map { DestinationSettings(name: $0, kind: .stdout) }
    var made: [String: Keeper] = [:]
    core = try SpoolFuzz.opened { () throws(SinkError) in
      try DeliveryCore(DeliverySettings(spoolFolder: folder.path), destinations, mailbox) { settings in
        let keeper = Keeper()
        made[settings.name] = keeper
        return keeper
      }
    }
    self.mailbox = mailbox
    keepers = made
    for (name, keeper) in keepers { starts[name] = keeper.taken }
  }

  /// The last number that was given.
  var last: UInt64 { core.store.last }

  func delivered(_ name: String) -> [ComposedSpool.Record] { keepers[name]?.lines ?? [] }

  func lost(_ name: String) -> UInt64 { losses[name] ?? 0 }

  /// Whether nothing is left to do after so many turns.
  func isEnded(_ turnsMax: Int) -> Bool {
    var turns = 0
    while core.turn(nowNanoseconds: Int64(turns)) {
      turns += 1
      if turns == turnsMax { return false }
    }
    for loss in mailbox.takeLosses() { losses[loss.destination, default: 0] += UInt64(loss.lines) }
    return true
  }

  func put(_ lines: [String], _ turnsMax: Int) -> Bool {
    for line in lines { _ = mailbox.put(Array(line.utf8)) }
    return isEnded(turnsMax)
  }
}
