import { AlopexError } from '../../base/errors.ts';

/** The errors that many functions raise, in PostgreSQL's words. */
export function outOfRange(typeName: string): AlopexError {
  return new AlopexError('numeric_value_out_of_range', `${typeName} out of range`);
}

export function divisionByZero(): AlopexError {
  return new AlopexError('division_by_zero', 'division by zero');
}

export function invalidText(typeName: string, text: string, detail?: string): AlopexError {
  return new AlopexError(
    'invalid_text_representation',
    `invalid input syntax for type ${typeName}: "${text}"`,
    detail === undefined ? {} : { detail },
  );
}

export function textOutOfRange(typeName: string, text: string): AlopexError {
  return new AlopexError(
    'numeric_value_out_of_range',
    `value "${text}" is out of range for type ${typeName}`,
  );
}

export function invalidParameter(message: string): AlopexError {
  return new AlopexError('invalid_parameter_value', message);
}
