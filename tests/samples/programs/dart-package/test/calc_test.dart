import 'package:calc/calc.dart';
import 'package:test/test.dart';

void main() {
  test('adds', () => expect(add(1, 2), 3));
}
