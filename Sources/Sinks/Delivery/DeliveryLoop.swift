// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc
import Synchronization

/// Delivers lines to any number of destinations, on a thread of its own: who hands lines over never waits for one.
///
/// A line goes to the spool first and then to each destination, in order, at least once: a destination that is down, slow or
/// started anew continues where it was, and so does a daemon that was killed.
package final class DeliveryLoop: Sendable {
  private static let stackBytes = 512 * 1024

  private let mailbox: DeliveryMailbox
  private let thread = Mutex<pthread_t?>(nil)
  private let work: Mutex<DeliveryWork?>

  /// - Throws: where the spool cannot be had, or a destination cannot be.
  package init(_ settings: DeliverySettings, destinations: [DestinationSettings]) throws(SinkError) {
    if let (name, problem) = DestinationSettings.problem(of: destinations) { throw .settings(name: name, problem) }
    mailbox = try DeliveryMailbox(bytesMax: settings.inboxBytesMax)
    work = Mutex(DeliveryWork(try DeliveryCore(settings, destinations, mailbox)))
  }

  /// Starts the thread, once; all signals are blocked in it.
  package func start() throws(SinkError) {
    guard let work = work.withLock({ $0.take() }) else { return }
    let context = Unmanaged.passRetained(work)
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    // A new thread has what its maker blocks: nothing can come before it has blocked it itself.
    pthread_sigmask(SIG_SETMASK, &all, &before)
    var made = pthread_t()
    let status = clinux_start_thread(
      &made, DeliveryLoop.stackBytes,
      { context in
        pthread_setname_np(pthread_self(), "delivery")
        Unmanaged<DeliveryWork>.fromOpaque(context!).takeRetainedValue().core.run()
        return nil
      }, context.toOpaque())
    pthread_sigmask(SIG_SETMASK, &before, nil)
    guard status == 0 else {
      context.release()
      throw .system(operation: "start a thread for", path: KernelName("delivery"), errno: status)
    }
    thread.withLock { $0 = made }
  }

  /// What the spool holds, the oldest first; to be asked before the start.
  package func forEachKept(_ body: (DeliveredLine) -> Void) {
    work.withLock { $0?.core.store.spool?.forEachLine(body) }
  }

  /// Takes one line, `\n` included, from any thread; holds a lock for as long as an array takes to be appended to.
  ///
  /// - Returns: false where there was no room for it: who put it tells of the loss.
  package func put(_ line: [UInt8]) -> Bool { mailbox.put(line) }

  /// Files are opened anew (SIGHUP).
  package func reopen() { mailbox.send(.reopen) }

  /// Other destinations from now on; who has the same settings goes on as it is, and who has the same name where it was.
  package func replace(_ destinations: [DestinationSettings]) throws(SinkError) {
    if let (name, problem) = DestinationSettings.problem(of: destinations) { throw .settings(name: name, problem) }
    mailbox.send(.replace(destinations))
  }

  /// How all fare, as of a tenth of a second ago.
  package func status() -> DeliveryStatus { mailbox.status() }

  /// What was lost since this was asked last.
  package func takeLosses() -> [DeliveryLoss] { mailbox.takeLosses() }

  /// Lets destinations that are up take what is waiting, for so long at most, writes down how far each came, and ends the
  /// thread. What has not arrived stays in the spool.
  package func finish(milliseconds: Int) {
    mailbox.send(.finish(milliseconds: milliseconds))
    if let made = thread.withLock({ $0.take() }) { pthread_join(made, nil) }
  }
}

/// What the thread is given.
///
/// Unchecked: made by one thread, which hands it to another and forgets it.
final class DeliveryWork: @unchecked Sendable {
  let core: DeliveryCore

  init(_ core: DeliveryCore) { self.core = core }
}
