// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Lines by POST, in batches: what comes while one request is under way goes with the next.
///
/// What may pass is tried again (no connection, no answer in time, 408, 425, 429, 5xx) and so is what somebody may mend
/// (401, 403, 404). A batch that is refused as such (400, 413, 422) is halved until the line is found that is refused alone.
final class HTTPDestination: LineDestination {
  /// A server may ask us to wait, and not for longer.
  private static let retryAfterSecondsMax: Int64 = 300
  /// Of an answer, in status and losses.
  private static let shownBytes = 200
  /// curl keeps to its own time; where it does not, it is killed.
  private static let graceNanoseconds = 2 * Monotonic.second

  private struct Running {
    var task: ChildTask
    var lines: [DeliveredLine]
    var endNanoseconds: Int64
  }

  private let settings: HTTPSettings
  private let secrets: HTTPSecrets
  private let body: HTTPBody
  private var running: Running?
  /// Lines in a request at most, after one was refused.
  private var linesMax: Int
  /// When requests of the last minute began; only where their number is limited.
  private var begun: [Int64] = []

  init(_ settings: HTTPSettings) {
    self.settings = settings
    secrets = HTTPSecrets(settings)
    body = HTTPBody(settings)
    linesMax = settings.format.isBatched ? settings.batchLines : 1
  }

  override var hasRoom: Bool { running == nil && opensNanoseconds <= Monotonic.nanoseconds }

  override var isBusy: Bool { running != nil }

  override var polls: [pollfd] { running?.task.polls ?? [] }

  override var dueNanoseconds: Int64? {
    if let running { return running.endNanoseconds }
    // In the past: it has room, and is not waiting for a time.
    return opensNanoseconds > Monotonic.nanoseconds ? opensNanoseconds : nil
  }

  override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds now: Int64) -> Int {
    guard hasRoom else { return 0 }
    var wanted: [DeliveredLine] = []
    var (count, bytes) = (0, 0)
    for line in lines {
      // What is not for this receiver, as a kill outside of any pod is not for Kubernetes, costs no room.
      if body.concerns(line) {
        bytes += line.bytes.count
        guard wanted.isEmpty || (wanted.count < linesMax && bytes <= settings.batchBytes) else { break }
        wanted.append(line)
      }
      count += 1
    }
    let last = lines[lines.startIndex + count - 1].number
    if wanted.isEmpty {
      skip(through: last)
    } else {
      begin(wanted, through: last, now)
      if running == nil { return 0 }
    }
    return count
  }

  override func step(nowNanoseconds now: Int64) {
    guard let current = running else { return }
    if now >= current.endNanoseconds {
      current.task.kill()
      // It may hang in the kernel: its end is told by the pidfd, not by the clock.
      running?.endNanoseconds = .max
    }
    guard let ended = current.task.step() else { return }
    running = nil
    if ended.isKilled { return fail(.timeout, nowNanoseconds: now) }
    judge(CurlAnswer(ended), current.lines, now)
  }

  private func begin(_ lines: [DeliveredLine], through last: UInt64, _ now: Int64) {
    do throws(DestinationFailureError) {
      let target = try secrets.target(lines[0])
      var request = CurlRequest(
        url: target.url, headers: ["Content-Type: \(body.contentType)"] + target.headers, body: body.bytes(lines),
        timeoutSeconds: Double(settings.timeoutSeconds))
      request.caFile = target.caFile
      request.certificateFile = settings.certificateFile
      request.keyFile = settings.keyFile
      let task = try HTTPDestination.start(request)
      let limit = Int64(settings.timeoutSeconds) * Monotonic.second + HTTPDestination.graceNanoseconds
      running = Running(task: task, lines: lines, endNanoseconds: now + limit)
      if settings.perMinute != nil { begun.append(now) }
      for line in lines { took(line) }
      reach(last)
    } catch {
      fail(error.failure, nowNanoseconds: now)
    }
  }

  private static func start(_ request: CurlRequest) throws(DestinationFailureError) -> ChildTask {
    do {
      return try request.start()
    } catch {
      guard case .system(let operation, _, let number) = error else {
        throw DestinationFailureError(failure: .noProgram("curl"))
      }
      throw DestinationFailureError(failure: number == ENOENT ? .noProgram("curl") : .system(operation, number))
    }
  }

  private func judge(_ answer: CurlAnswer, _ lines: [DeliveredLine], _ now: Int64) {
    guard case .answer(let status, let retryAfter, let text) = answer else {
      if case .failed(let code, let said) = answer { fail(.program(code, said), nowNanoseconds: now) }
      return
    }
    let failure = DestinationFailure.answer(status, String(text.prefix(HTTPDestination.shownBytes)))
    switch body.verdict(status, text) {
    case .taken(let refusedLines):
      succeed()
      // It says how many, and not which.
      if refusedLines > 0 { refuse(lines: refusedLines, failure) }
      arrived(through: taken)
      linesMax = settings.format.isBatched ? min(settings.batchLines, linesMax * 2) : 1
    case .refused:
      guard lines.count == 1 else {
        // One of them is to blame: the smaller half goes first, at once.
        linesMax = max(1, lines.count / 2)
        return forget()
      }
      succeed()
      refused(lines[0], failure)
    case .later:
      let seconds = min(Int64(retryAfter ?? 0), HTTPDestination.retryAfterSecondsMax)
      fail(failure, nowNanoseconds: now, after: max(0, seconds) * Monotonic.second)
    }
  }

  /// When the next request may begin.
  private var opensNanoseconds: Int64 {
    guard let most = settings.perMinute else { return retryNanoseconds }
    begun.removeFirst(max(0, begun.count - most))
    let opens = begun.count < most ? 0 : begun[0] + 60 * Monotonic.second
    return max(retryNanoseconds, opens)
  }
}

/// A failure of a destination as an error.
struct DestinationFailureError: Error { var failure: DestinationFailure }

extension HTTPSettings.Format {
  /// Whether one request holds many lines.
  var isBatched: Bool {
    switch self {
    case .ndjson, .otlp, .loki: true
    case .webhook, .slack, .kubernetes: false
    }
  }
}
