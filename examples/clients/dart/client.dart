/// A client of API v1 for Dart and Flutter: it sends one message, and follows its task to the end.
///
/// UNTESTED: no Dart SDK was at hand when this was written, so it has never been compiled. It is
/// the same protocol, step by step, as `../browser/client.mjs`, which `pollux verify` finds
/// conformant. Judge it yourself before you rely on it:
///
///     pollux verify hello.taskcast.jsonl --client "dart run client.dart {base_url}"
///
/// In Flutter, call [run] and hand [Task.onEvent] to your state. On the web replace `dart:io` by
/// `package:http`.
library;

import 'dart:async';
import 'dart:convert';
import 'dart:io';
import 'dart:math';

const _terminal = {'succeeded', 'failed', 'canceled', 'stopped'};
const _firstWait = Duration(milliseconds: 500);
const _longestWait = Duration(seconds: 10);
const _mostFailures = 8;

/// There is nothing more to be had; the message says why.
class Stopped implements Exception {
  Stopped(this.message);
  final String message;
  @override
  String toString() => message;
}

/// This try brought nothing, and the next one may; [wait] is what the server asks for.
class _Failed implements Exception {
  _Failed(this.message, [this.wait = Duration.zero]);
  final String message;
  final Duration wait;
}

class _Answer {
  _Answer(this.status, this.payload);
  final int status;
  final Object? payload;
}

/// What is sent, and who is told of what comes.
class Task {
  Task({
    required this.baseUrl,
    required this.token,
    required this.message,
    required this.onEvent,
    this.onGap,
    this.onNote,
    this.interval = const Duration(milliseconds: 250),
    this.timeout = const Duration(seconds: 10),
  });

  /// Of the server, without `/api/v1`.
  final String baseUrl;
  final String token;
  final String message;

  /// Told of each event once, in order.
  final void Function(Map<String, dynamic> event) onEvent;

  /// Told that the events from `first` to `behind - 1` are lost: the server keeps the last ones.
  final void Function(int first, int behind)? onGap;

  /// Told what a user may want to know.
  final void Function(String text)? onNote;

  final Duration interval;
  final Duration timeout;
}

/// Send a message, tell what comes, and return the status in which its task has ended.
///
/// Throws [Stopped] when the task cannot be followed to its end.
Future<String> run(Task task) async {
  final http = HttpClient()..connectionTimeout = task.timeout;
  try {
    final taskId = await _again(task, () => _send(http, task));
    var offset = 0;
    var expected = 0; // the idx of the next event to be told
    while (true) {
      final data = await _again(task, () => _poll(http, task, taskId, offset));
      final events = (data['events'] as List).cast<Map<String, dynamic>>();
      if (events.isNotEmpty && (events.first['idx'] as int) > offset) {
        task.onGap?.call(offset, events.first['idx'] as int);
      }
      for (final event in events) {
        final idx = event['idx'] as int;
        if (idx < expected) continue;
        expected = idx + 1;
        task.onEvent(event);
      }
      if (_terminal.contains(data['status'])) return data['status'] as String;
      offset = data['next_offset'] as int;
      await Future<void>.delayed(task.interval);
    }
  } finally {
    http.close(force: true);
  }
}

Future<String> _send(HttpClient http, Task task) async {
  final answer = await _ask(http, task, 'POST', '/messages', {'message': task.message});
  final payload = answer.payload;
  if (answer.status == 202 && payload is Map) return payload['task_id'] as String;
  if (answer.status == 409) {
    throw _Failed('another task is running; waiting for it', const Duration(seconds: 1));
  }
  throw Stopped('the message was refused: ${answer.status}');
}

Future<Map<String, dynamic>> _poll(HttpClient http, Task task, String taskId, int offset) async {
  final answer = await _ask(http, task, 'GET', '/tasks/$taskId?from=$offset');
  final payload = answer.payload;
  final data = payload is Map ? payload['data'] : null;
  if (data is! Map<String, dynamic> || data['events'] is! List || data['next_offset'] is! int) {
    throw _Failed('an answer that cannot be read');
  }
  return data;
}

Future<_Answer> _ask(HttpClient http, Task task, String method, String path,
    [Object? body]) async {
  final base = task.baseUrl.replaceFirst(RegExp(r'/+$'), '');
  late final HttpClientResponse answer;
  late final String text;
  try {
    final request = await http.openUrl(method, Uri.parse('$base/api/v1$path'));
    request.headers.set(HttpHeaders.authorizationHeader, 'Bearer ${task.token}');
    if (body != null) {
      request.headers.contentType = ContentType.json;
      request.write(jsonEncode(body));
    }
    answer = await request.close().timeout(task.timeout);
    text = await answer.transform(const Utf8Decoder(allowMalformed: true)).join().timeout(task.timeout);
  } on IOException catch (error) {
    throw _Failed('no answer: $error');
  } on TimeoutException {
    throw _Failed('no answer in time');
  }
  final status = answer.statusCode;
  if (status == 401) throw Stopped('the token was refused');
  if (status == 404) throw Stopped('the server does not know the task any more');
  if (status == 429 || status >= 500) {
    final seconds = int.tryParse(answer.headers.value('retry-after') ?? '') ?? 0;
    throw _Failed('status $status', Duration(seconds: seconds));
  }
  try {
    return _Answer(status, jsonDecode(text));
  } on FormatException {
    return _Answer(status, null);
  }
}

Future<T> _again<T>(Task task, Future<T> Function() attempt) async {
  for (var failures = 0; failures < _mostFailures; failures++) {
    try {
      return await attempt();
    } on _Failed catch (error) {
      task.onNote?.call(error.message);
      final backOff = _firstWait * pow(2, failures).toInt();
      final wait = backOff < _longestWait ? backOff : _longestWait;
      await Future<void>.delayed(wait > error.wait ? wait : error.wait);
    }
  }
  throw Stopped('the server does not recover');
}

Future<void> main(List<String> arguments) async {
  if (arguments.isEmpty) {
    stderr.writeln('usage: dart run client.dart BASE_URL [MESSAGE]');
    exit(2);
  }
  try {
    final status = await run(Task(
      baseUrl: arguments[0],
      token: Platform.environment['POLLUX_TOKEN'] ?? 'any',
      message: arguments.length > 1 ? arguments[1] : 'Hello',
      onEvent: (event) => stdout.writeln(jsonEncode({'idx': event['idx'], 'type': event['type']})),
      onGap: (first, behind) => stdout.writeln(jsonEncode({'gap': [first, behind]})),
      onNote: (text) => stderr.writeln('[$text]'),
    ));
    stderr.writeln('[$status]');
    exitCode = status == 'succeeded' ? 0 : 1;
  } on Stopped catch (error) {
    stderr.writeln('[$error]');
    exitCode = 1;
  }
}
