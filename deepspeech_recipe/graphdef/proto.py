"""TensorFlow's graph messages in a private descriptor pool.

The wire and text formats of protobuf depend on field numbers and names alone, so these messages read and
write TensorFlow's files. They live in their own pool and package: TensorFlow, and any generated
`tensorflow.*` module, can be loaded in the same process without a clash.

Field numbers: tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,function,types}.proto,
tensorflow/core/protobuf/{meta_graph,saved_model,tensor_bundle}.proto, tensorflow/core/util/memmapped_file_system.proto.
Only the fields this project reads are declared; the rest is kept by protobuf as unknown fields.
"""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory, text_format

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError

_PACKAGE = "deepspeech_recipe.tensorflow"

# TensorFlow's DataType numbers.
DATA_TYPES = {
    "DT_INVALID": 0,
    "DT_FLOAT": 1,
    "DT_DOUBLE": 2,
    "DT_INT32": 3,
    "DT_UINT8": 4,
    "DT_INT16": 5,
    "DT_INT8": 6,
    "DT_STRING": 7,
    "DT_COMPLEX64": 8,
    "DT_INT64": 9,
    "DT_BOOL": 10,
    "DT_QINT8": 11,
    "DT_QUINT8": 12,
    "DT_QINT32": 13,
    "DT_BFLOAT16": 14,
    "DT_QINT16": 15,
    "DT_QUINT16": 16,
    "DT_UINT16": 17,
    "DT_COMPLEX128": 18,
    "DT_HALF": 19,
    "DT_RESOURCE": 20,
    "DT_VARIANT": 21,
    "DT_UINT32": 22,
    "DT_UINT64": 23,
}
_REFERENCE_TYPES = {f"{name}_REF": number + 100 for name, number in DATA_TYPES.items() if number}

# One line a message: fields as "name=number type"; a "*" before the type repeats it, "map" maps from string.
_MESSAGES = {
    "TensorShapeProto": "dim=2 *TensorShapeProto.Dim, unknown_rank=3 bool",
    "TensorShapeProto.Dim": "size=1 int64, name=2 string",
    "TensorProto": "dtype=1 DataType, tensor_shape=2 TensorShapeProto, version_number=3 int32, "
    "tensor_content=4 bytes, half_val=13 *int32, float_val=5 *float, double_val=6 *double, int_val=7 *int32, "
    "string_val=8 *bytes, scomplex_val=9 *float, int64_val=10 *int64, bool_val=11 *bool, uint32_val=16 *uint32, "
    "uint64_val=17 *uint64, external=9999 uint64",  # the last one is our own (`graphdef.external`)
    "AttrValue": "s=2 bytes, i=3 int64, f=4 float, b=5 bool, type=6 DataType, shape=7 TensorShapeProto, "
    "tensor=8 TensorProto, list=1 AttrValue.ListValue, func=10 NameAttrList, placeholder=9 string",
    "AttrValue.ListValue": "s=2 *bytes, i=3 *int64, f=4 *float, b=5 *bool, type=6 *DataType, "
    "shape=7 *TensorShapeProto, tensor=8 *TensorProto, func=9 *NameAttrList",
    "NameAttrList": "name=1 string, attr=2 map AttrValue",
    "NodeDef": "name=1 string, op=2 string, input=3 *string, device=4 string, attr=5 map AttrValue",
    "VersionDef": "producer=1 int32, min_consumer=2 int32, bad_consumers=3 *int32",
    "OpDef": "name=1 string, input_arg=2 *OpDef.ArgDef, output_arg=3 *OpDef.ArgDef, attr=4 *OpDef.AttrDef",
    "OpDef.ArgDef": "name=1 string, type=3 DataType, type_attr=4 string, number_attr=5 string, type_list_attr=6 string",
    "OpDef.AttrDef": "name=1 string, type=2 string, default_value=3 AttrValue",
    "FunctionDef": "signature=1 OpDef, attr=5 map AttrValue, node_def=3 *NodeDef, ret=4 map string, "
    "control_ret=6 map string",
    "FunctionDefLibrary": "function=1 *FunctionDef",
    "GraphDef": "node=1 *NodeDef, versions=4 VersionDef, version=3 int32, library=2 FunctionDefLibrary",
    "TensorInfo": "name=1 string, dtype=2 DataType, tensor_shape=3 TensorShapeProto",
    "SignatureDef": "inputs=1 map TensorInfo, outputs=2 map TensorInfo, method_name=3 string",
    "MetaInfoDef": "tags=4 *string, tensorflow_version=5 string",
    "SaverDef": "filename_tensor_name=1 string, save_tensor_name=2 string, restore_op_name=3 string",
    "CollectionDef": "node_list=1 CollectionDef.NodeList",
    "CollectionDef.NodeList": "value=1 *string",
    "SaveableObject": "save_function=2 int32, restore_function=3 int32",
    "SavedResource": "device=1 string",
    "SavedObject": "resource=10 SavedResource, saveable_objects=11 map SaveableObject",
    "SavedObjectGraph": "nodes=1 *SavedObject",
    "MetaGraphDef": "meta_info_def=1 MetaInfoDef, graph_def=2 GraphDef, saver_def=3 SaverDef, "
    "collection_def=4 map CollectionDef, signature_def=5 map SignatureDef, object_graph_def=7 SavedObjectGraph",
    "SavedModel": "saved_model_schema_version=1 int64, meta_graphs=2 *MetaGraphDef",
    "BundleHeaderProto": "num_shards=1 int32, endianness=2 int32",
    "BundleEntryProto": "dtype=1 DataType, shape=2 TensorShapeProto, shard_id=3 int32, offset=4 int64, size=5 int64, "
    "crc32c=6 fixed32",
    "MemmappedFileSystemDirectoryElement": "offset=1 uint64, name=2 string, length=3 uint64",
    "MemmappedFileSystemDirectory": "element=1 *MemmappedFileSystemDirectoryElement",
}

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = ("string", "bytes", "bool", "float", "double", "int32", "int64", "uint32", "uint64", "fixed32")


def _set_type(field, type_name: str) -> None:
    if type_name in _SCALARS:
        field.type = getattr(_Field, f"TYPE_{type_name.upper()}")
    else:
        field.type = _Field.TYPE_ENUM if type_name == "DataType" else _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{type_name}"


def _add_field(descriptor, full_name: str, name: str, number: str, *kind: str) -> None:
    field = descriptor.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    type_name = kind[-1]
    if kind[0] == "map":
        entry = descriptor.nested_type.add(name=name.title().replace("_", "") + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "", "key", "1", "string")
        _add_field(entry, "", "value", "2", type_name)
        type_name = f"{full_name}.{entry.name}"
    if kind[0] == "map" or type_name.startswith("*"):
        field.label = _Field.LABEL_REPEATED
    _set_type(field, type_name.lstrip("*"))


def _build_pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="deepspeech_recipe/tensorflow.proto", package=_PACKAGE, syntax="proto3"
    )
    enum = file.enum_type.add(name="DataType")
    for name, number in {**DATA_TYPES, **_REFERENCE_TYPES}.items():
        enum.value.add(name=name, number=number)
    descriptors: dict = {}
    for full_name, fields in _MESSAGES.items():
        outer, _, inner = full_name.rpartition(".")
        siblings = descriptors[outer].nested_type if outer else file.message_type
        descriptor = descriptors[full_name] = siblings.add(name=inner)
        if full_name == "AttrValue":
            descriptor.oneof_decl.add(name="value")
        for field in fields.split(", "):
            name_number, *kind = field.split()
            _add_field(descriptor, full_name, *name_number.split("="), *kind)
        if full_name == "AttrValue":
            for field in descriptor.field:
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_pool = _build_pool()


def _message_class(name: str):
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Message = Any  # for annotations: the classes are made at run time, so a type checker cannot know them
AttrValue = _message_class("AttrValue")
BundleEntryProto = _message_class("BundleEntryProto")
BundleHeaderProto = _message_class("BundleHeaderProto")
GraphDef = _message_class("GraphDef")
MemmappedFileSystemDirectory = _message_class("MemmappedFileSystemDirectory")
MetaGraphDef = _message_class("MetaGraphDef")
NodeDef = _message_class("NodeDef")
SavedModel = _message_class("SavedModel")
TensorProto = _message_class("TensorProto")
TensorShapeProto = _message_class("TensorShapeProto")


_LONGEST_REASON = 300  # characters of what protobuf says
_MARKS = ("{", "<", ":", ",")
_STRING = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"')


def parse(message_type, data, *, what: str):
    """Parses the binary protobuf `data` (bytes-like) as `message_type`.

    Raises RecipeError naming `what` (the file, and what it was taken for) if the bytes are not such a message.
    """
    parsed = message_type()
    try:
        parsed.ParseFromString(bytes(data))
    except (message.DecodeError, ValueError) as error:
        raise RecipeError(f"{what}: the protobuf cannot be read ({error}). Is the file whole?") from None
    return parsed


def parse_text(message_type, text: str, *, what: str):
    """Parses protobuf text format, with the errors of `parse`."""
    fields = sum(map(text.count, _MARKS))
    if fields > limits.allowed(limits.TEXT_FIELDS):
        # Only then, for it takes a while: what stands in strings is not a field.
        fields = sum(map(_STRING.sub("", text).count, _MARKS))
    if fields > limits.allowed(limits.TEXT_FIELDS):
        raise RecipeError(
            f"{what}: holds about {fields} fields as text. {limits.remedy(fields, limits.TEXT_FIELDS)}, or give the "
            "binary file."
        )
    parsed = message_type()
    try:
        text_format.Parse(text, parsed, allow_unknown_field=True, descriptor_pool=_pool)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        reason = str(error)  # may hold the whole text
        reason = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
        raise RecipeError(f"{what}: the text protobuf cannot be read ({reason}).") from None
    return parsed
