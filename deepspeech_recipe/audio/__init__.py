"""TensorFlow's AudioSpectrogram and Mfcc in plain operations: settings, constants, reference, lowering."""
