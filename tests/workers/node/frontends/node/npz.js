// Reads and writes npz: a zip archive, uncompressed, of one .npy file per array.
'use strict';

const fs = require('fs');

// How elements are stored, by NumPy's name for it. All are little-endian, as are the processors that Node.js runs on.
const TYPES = { '<f4': Float32Array, '<f8': Float64Array, '<i8': BigInt64Array, '<i4': Int32Array, '|u1': Uint8Array };
const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;

/** The arrays of a file by name, each as { shape, data }; a text is a string, and 64-bit integers become numbers. */
function load(path) {
  const file = fs.readFileSync(path);
  const arrays = {};
  // Sizes stand in the directory at the end: in the local headers NumPy leaves them to a Zip64 extra field.
  const end = file.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = file.readUInt32LE(end + 16);
  for (let left = file.readUInt16LE(end + 10); left > 0; left--) {
    if (file.readUInt32LE(at) !== CENTRAL_HEADER) throw new Error(`${path} is not a zip archive`);
    if (file.readUInt16LE(at + 10) !== 0) throw new Error(`${path} is compressed`);
    const size = file.readUInt32LE(at + 24);
    const nameLength = file.readUInt16LE(at + 28);
    const local = file.readUInt32LE(at + 42);
    const name = file.toString('utf8', at + 46, at + 46 + nameLength);
    const start = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    arrays[name.replace(/\.npy$/, '')] = parseNpy(file.subarray(start, start + size));
    at += 46 + nameLength + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
  }
  return arrays;
}

/** Writes arrays, each { shape, data }, by name. */
function save(path, arrays) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const content = formatNpy(array);
    const fileName = Buffer.from(`${name}.npy`);
    const common = Buffer.alloc(26); // what both headers of a member have: sizes and checksum
    common.writeUInt16LE(20, 0); // version of zip
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(fileName.length, 22);
    directory.push(uint32(CENTRAL_HEADER), uint16(20), common, Buffer.alloc(10), uint32(offset), fileName);
    parts.push(uint32(LOCAL_HEADER), common, fileName, content);
    offset += 30 + fileName.length + content.length;
  }
  const members = Object.keys(arrays).length;
  const size = Buffer.concat(directory).length;
  const tail = [uint32(END), uint32(0), uint16(members), uint16(members), uint32(size), uint32(offset), uint16(0)];
  fs.writeFileSync(path, Buffer.concat([...parts, ...directory, ...tail]));
}

function parseNpy(bytes) {
  const long = bytes[6] > 1; // version 1 has two bytes for the header's length, later ones have four
  const start = long ? 12 : 10;
  const end = start + (long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString('latin1', start, end);
  const descr = /'descr': '([^']+)'/.exec(header)[1];
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1].split(',').filter((size) => size.trim()).map(Number);
  const content = bytes.subarray(end);
  if (descr.startsWith('<U')) return utf32(content); // a single text
  if (!TYPES[descr] || header.includes("'fortran_order': True")) throw new Error(`unexpected array: ${header}`);
  const aligned = new Uint8Array(content).buffer; // a copy, since a typed array must begin at a multiple of its size
  const data = new TYPES[descr](aligned);
  return { shape, data: data instanceof BigInt64Array ? Float64Array.from(data, Number) : data };
}

function formatNpy({ shape, data }) {
  const descr = Object.keys(TYPES).find((name) => data instanceof TYPES[name]);
  const sizes = shape.map((size) => `${size},`).join(' ');
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n'; // the data begins at 64 n
  const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  const content = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([magic, uint16(padded.length), Buffer.from(padded, 'latin1'), content]);
}

function utf32(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) text += String.fromCodePoint(bytes.readUInt32LE(at));
  return text.replace(/\0+$/, '');
}

function uint16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

module.exports = { load, save };
