// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// The delivery itself, on its own thread: takes what has come, writes it down, lets each destination do its part, and waits.
final class DeliveryCore {
  /// The first of a run come sooner: one that is killed again and again gets further all the same.
  private static let keepNanoseconds = Monotonic.second / 20...Monotonic.second
  private static let tellNanoseconds = Monotonic.second / 10

  private let mailbox: DeliveryMailbox
  private let make: (DestinationSettings) -> Destination
  let store: LineStore
  private(set) var slots: [DeliverySlot] = []
  private var endNanoseconds: Int64?
  private var keptAtNanoseconds: Int64 = 0
  private var keepNanoseconds = DeliveryCore.keepNanoseconds.lowerBound
  private var toldAtNanoseconds: Int64 = 0
  /// As they were written down last.
  private var keptPlaces: [String: UInt64] = [:]
  private var isTold = false

  /// - Throws: where the spool cannot be had.
  init(
    _ settings: DeliverySettings, _ destinations: [DestinationSettings], _ mailbox: DeliveryMailbox,
    make: @escaping (DestinationSettings) -> Destination = DestinationMaker.make
  ) throws(SinkError) {
    self.mailbox = mailbox
    self.make = make
    store = try LineStore(settings)
    let places = store.spool?.places
    // Where nothing is written down, or it is damaged, all that is there is sent again.
    let unknown = places == nil ? store.droppedThrough : store.last
    for settings in destinations {
      slots.append(slot(settings, after: places?[settings.name] ?? unknown))
    }
    keep(nowNanoseconds: Monotonic.nanoseconds)
    tell(nowNanoseconds: Monotonic.nanoseconds)
  }

  func run() {
    var now = Monotonic.nanoseconds
    while true {
      let isMore = turn(nowNanoseconds: now)
      if let endNanoseconds, now >= endNanoseconds || slots.allSatisfy({ $0.isDone(store) }) { break }
      wait(nowNanoseconds: now, isMore: isMore)
      now = Monotonic.nanoseconds
    }
    keep(nowNanoseconds: now)
    tell(nowNanoseconds: now)
  }

  /// All that can be done without waiting; whether there is more of it.
  func turn(nowNanoseconds now: Int64) -> Bool {
    let (lines, requests) = mailbox.take()
    if !lines.isEmpty { store.append(lines, nowNanoseconds: now) } else { store.write(nowNanoseconds: now) }
    for request in requests { take(request, now) }
    var isMore = false
    for slot in slots {
      slot.destination.step(nowNanoseconds: now)
      let name = slot.settings.name
      let hasMore = slot.feed(store, nowNanoseconds: now) { reason, lines in
        mailbox.lose(DeliveryLoss(destination: name, reason: reason, lines: lines))
      }
      if let refused = slot.takeRefused() {
        mailbox.lose(DeliveryLoss(destination: name, reason: refused.reason, lines: refused.lines))
      }
      isMore = hasMore || isMore
    }
    if endNanoseconds != nil {
      for slot in slots where slot.isFed(store) { slot.destination.close(nowNanoseconds: now) }
    }
    if now >= keptAtNanoseconds + keepNanoseconds { keep(nowNanoseconds: now) }
    if now >= toldAtNanoseconds + DeliveryCore.tellNanoseconds { tell(nowNanoseconds: now) } else { isTold = false }
    return isMore
  }

  private func wait(nowNanoseconds now: Int64, isMore: Bool) {
    var polls = [pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0)]
    var due = [endNanoseconds, store.dueNanoseconds]
    for slot in slots {
      polls += slot.destination.polls
      due.append(slot.destination.dueNanoseconds)
    }
    if isKeepDue { due.append(keptAtNanoseconds + keepNanoseconds) }
    if !isTold { due.append(toldAtNanoseconds + DeliveryCore.tellNanoseconds) }
    var milliseconds: Int32 = isMore ? 0 : -1
    if !isMore, let next = due.compactMap({ $0 }).min() {
      milliseconds = Int32(min(max(0, (next - now + 999_999) / 1_000_000), 3_600_000))
    }
    _ = poll(&polls, nfds_t(polls.count), milliseconds)
  }

  private func take(_ request: DeliveryMailbox.Request, _ now: Int64) {
    switch request {
    case .reopen: for slot in slots { slot.destination.reopen() }
    case .replace(let destinations): replace(destinations)
    case .finish(let milliseconds):
      mailbox.close()
      endNanoseconds = endNanoseconds ?? now + Int64(max(0, milliseconds)) * 1_000_000
    }
  }

  private func replace(_ destinations: [DestinationSettings]) {
    let before = Dictionary(uniqueKeysWithValues: slots.map { ($0.settings.name, $0) })
    slots = destinations.map { settings in
      guard let old = before[settings.name] else { return slot(settings, after: store.last) }
      return old.settings == settings ? old : slot(settings, after: old.place)
    }
  }

  private func slot(_ settings: DestinationSettings, after place: UInt64) -> DeliverySlot {
    DeliverySlot(settings, make(settings), after: place)
  }

  private var places: [String: UInt64] {
    Dictionary(uniqueKeysWithValues: slots.map { ($0.settings.name, $0.place) })
  }

  private var isKeepDue: Bool { keptPlaces != places || store.spool?.isDirty == true }

  /// Writes down how far each came, once what it stands on cannot be lost any more.
  func keep(nowNanoseconds now: Int64) {
    keptAtNanoseconds = now
    keepNanoseconds = min(keepNanoseconds * 2, DeliveryCore.keepNanoseconds.upperBound)
    let places = places
    let released = places.values.min() ?? store.last
    if let spool = store.spool {
      let isChanged = places != keptPlaces
      if isChanged { for slot in slots { slot.destination.sync() } }
      spool.sync()
      let file = PlaceFile(places: places, last: store.last)
      if isChanged, file.write(spool.folder) != 0 {
        // A disk that is full has room for it once what everybody has is gone.
        store.release(through: released)
        guard file.write(spool.folder) == 0 else { return }
      }
    }
    keptPlaces = places
    store.release(through: released)
  }

  private func tell(nowNanoseconds now: Int64) {
    toldAtNanoseconds = now
    isTold = true
    var status = DeliveryStatus()
    status.destinations = slots.map { $0.status(store) }
    if let spool = store.spool {
      status.spool = DeliveryStatus.Spool(
        bytes: spool.bytes, segments: spool.segments.count,
        failure: store.failure.map { .system("write", $0) })
    }
    mailbox.tell(status)
  }
}
