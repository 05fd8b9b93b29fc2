"""The operations of TensorFlow that compute their outputs from their inputs and do nothing else.

They read and write no file, no socket, no clock, no random state and no resource that outlives the call, and call no
code but TensorFlow's own kernels. An operation that is not named here is not run. Left out on purpose, though
TensorFlow calls them stateless: ReadFile, MatchingFiles, ImmutableConst, GenerateVocabRemapping, DecodeProtoV2 and
EncodeProto (files that an input or an attribute names), Copy and DebugIdentity (`debug_urls`), PyFuncStateless,
Abort, SymbolicGradient, ParseTensor, the decoders of image formats, summaries, tables, queues, datasets, whatever
updates a variable, XLA's and TPUs'.
"""

_ARITHMETIC = """
    Abs Add AddN AddV2 AccumulateNV2 Angle ApproximateEqual BiasAdd BiasAddGrad BiasAddV1 BroadcastTo BroadcastArgs
    BroadcastGradientArgs Bucketize Cast Ceil ClipByValue Complex ComplexAbs Conj Cross Cumprod Cumsum
    CumulativeLogsumexp Div DivNoNan Equal Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Imag Inv InvGrad
    Invert IsFinite IsInf IsNan LeftShift Less LessEqual LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr Maximum
    Minimum Mod Mul MulNoNan Neg NextAfter NotEqual PopulationCount Pow Range Real RealDiv Reciprocal ReciprocalGrad
    RightShift Rint Round Rsqrt RsqrtGrad Sign Sqrt SqrtGrad Square SquaredDifference Sub ToBool TruncateDiv
    TruncateMod Xdivy Xlog1py Xlogy BitwiseAnd BitwiseOr BitwiseXor
    Acos Acosh Asin Asinh Atan Atan2 Atanh Cos Cosh Sin Sinh Tan Tanh TanhGrad
    Betainc Digamma Erf Erfc Erfinv Igamma Igammac Lgamma Ndtri Polygamma Zeta BesselI0 BesselI0e BesselI1 BesselI1e
    Dawsn Expint FresnelCos FresnelSin Spence
"""
_REDUCTION = """
    All Any ArgMax ArgMin Bincount DenseBincount EuclideanNorm HistogramFixedWidth L2Loss Max Mean Min Prod Sum
    SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum UnsortedSegmentMax UnsortedSegmentMin
    UnsortedSegmentProd UnsortedSegmentSum SparseSegmentMean SparseSegmentSqrtN SparseSegmentSum
    SparseSegmentMeanWithNumSegments SparseSegmentSqrtNWithNumSegments SparseSegmentSumWithNumSegments
    InTopK InTopKV2 LowerBound NthElement TopK TopKV2 Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 UpperBound
"""
_LAYOUT = """
    BatchToSpace BatchToSpaceND Bitcast Concat ConcatOffset ConcatV2 ConjugateTranspose Const DataFormatDimMap
    DataFormatVecPermute DepthToSpace Diag DiagPart DynamicPartition DynamicStitch EnsureShape ExpandDims
    ExtractImagePatches ExtractVolumePatches FakeParam Fill Gather GatherNd GatherV2 Identity IdentityN
    InvertPermutation ListDiff MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3
    MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad OneHot OnesLike Pack Pad PadV2
    ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient Rank Reshape
    Reverse ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Select SelectV2 Shape ShapeN Size Slice
    Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth SparseToDense Split SplitV Squeeze StopGradient StridedSlice
    StridedSliceGrad TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate
    TensorStridedSliceUpdate Tile Transpose UnravelIndex Unpack Where ZerosLike CheckNumerics
"""
_LINEAR_ALGEBRA = """
    BandedTriangularSolve BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky Einsum LogMatrixDeterminant Lu MatMul
    MatrixDeterminant MatrixInverse MatrixSolve MatrixSolveLs MatrixSquareRoot MatrixTriangularSolve Qr
    SelfAdjointEigV2 SparseMatMul SparseTensorDenseMatMul Svd TridiagonalMatMul TridiagonalSolve
"""
_NETWORK = """
    AvgPool AvgPool3D AvgPoolGrad BatchNormWithGlobalNormalization Conv2D Conv2DBackpropInput Conv3D
    Conv3DBackpropInputV2 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput Dilation2D Elu
    FractionalAvgPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D
    LeakyRelu LogSoftmax LRN MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Relu Relu6 Selu Sigmoid SigmoidGrad Softmax
    SoftmaxCrossEntropyWithLogits Softplus Softsign SparseSoftmaxCrossEntropyWithLogits
    BlockLSTM BlockLSTMV2 GRUBlockCell LSTMBlockCell
    CTCBeamSearchDecoder CTCGreedyDecoder CTCLoss CTCLossV2 EditDistance
"""
_QUANTIZED = """
    Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    QuantizeDownAndShrinkRange QuantizedAdd QuantizedAvgPool QuantizedBatchNormWithGlobalNormalization
    QuantizedBiasAdd QuantizedConcat QuantizedConv2D QuantizedInstanceNorm QuantizedMatMul QuantizedMaxPool
    QuantizedMul QuantizedRelu QuantizedRelu6 QuantizedReluX QuantizedReshape QuantizedResizeBilinear QuantizeV2
    RequantizationRange RequantizationRangePerChannel Requantize RequantizePerChannel
    UniformDequantize UniformQuantize UniformQuantizedDot UniformQuantizedDotHybrid UniformRequantize
"""
_SIGNAL = """
    AudioMicrofrontend AudioSpectrogram DecodeWav EncodeWav Mfcc BatchFFT BatchFFT2D BatchFFT3D BatchIFFT BatchIFFT2D
    BatchIFFT3D FFT FFT2D FFT3D IFFT IFFT2D IFFT3D IRFFT IRFFT2D IRFFT3D RFFT RFFT2D RFFT3D
    AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize ExtractGlimpse ExtractGlimpseV2
    HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2
    NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps ResizeArea ResizeBicubic
    ResizeBilinear ResizeNearestNeighbor RGBToHSV ScaleAndTranslate
"""
_SPARSE_AND_TEXT = """
    SparseAdd SparseConcat SparseFillEmptyRows SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSlice
    SparseSoftmax SparseSplit SparseTensorDenseAdd RaggedGather RaggedRange RaggedTensorToTensor
    AsString DecodeBase64 DecodePaddedRaw DecodeRaw EncodeBase64 ReduceJoin RegexFullMatch RegexReplace
    StaticRegexFullMatch StaticRegexReplace StringJoin StringLength StringLower StringStrip StringToHashBucket
    StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper Substr UnicodeDecode UnicodeEncode
"""
# The same numbers for the same seed, which is an input.
_STATELESS_RANDOM = """
    StatelessMultinomial StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformInt
    StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormal StatelessTruncatedNormalV2
    StatelessRandomGetKeyCounter
"""
# TensorFlow calls some of these stateful: what they call is looked at, and the arrays end with the call.
_CONTROL_FLOW = """
    Enter Exit LoopCond Merge NextIteration Switch
    Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While
    EmptyTensorList TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape
    TensorListFromTensor TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack
    TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2
    TensorListSetItem TensorListSplit TensorListStack
    TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3
    TensorArraySplitV3 TensorArrayV3 TensorArrayWriteV3
"""

# Harmless, but two runs give two results.
_RANDOM = """
    Multinomial ParameterizedTruncatedNormal RandomGamma RandomPoisson RandomPoissonV2 RandomShuffle
    RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal
"""

# They compute too, or do nothing, but no output needs them.
_IDLE = """
    AudioSummary AudioSummaryV2 ControlTrigger HistogramSummary ImageSummary MergeSummary NoOp ScalarSummary
    ShardedFilename ShardedFilespec TensorSummary TensorSummaryV2
"""

PURE_OPS = frozenset(
    (
        f"{_ARITHMETIC} {_REDUCTION} {_LAYOUT} {_LINEAR_ALGEBRA} {_NETWORK} {_QUANTIZED} {_SIGNAL} {_SPARSE_AND_TEXT} "
        f"{_STATELESS_RANDOM} {_CONTROL_FLOW}"
    ).split()
)
RANDOM_OPS = frozenset(_RANDOM.split())
IDLE_OPS = frozenset(_IDLE.split())
