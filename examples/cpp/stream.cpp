// stream MODEL.xml RECORDING.wav [BLOCK] [--probabilities]: text of a 16-bit mono WAV, by a streaming IR and OpenVINO.
// BLOCK: samples a call, 320 by default. --probabilities: a line of them for every frame instead of the text.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>
#include <vector>

// The samples (-1...1) of a WAV's data chunk.
static std::vector<float> read_wav(const std::string& path, unsigned rate) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto number = [&](size_t at, size_t size) {
        uint32_t value = 0;
        while (size-- > 0)
            value = value << 8 | uint8_t(bytes.at(at + size));
        return value;
    };
    if (bytes.size() < 12 || bytes.compare(0, 4, "RIFF") != 0 || bytes.compare(8, 4, "WAVE") != 0)
        throw std::runtime_error(path + ": is no WAV file");
    for (size_t at = 12, size; at + 8 <= bytes.size(); at += 8 + size + size % 2) {
        size = number(at + 4, 4);
        if (bytes.compare(at, 4, "fmt ") == 0) {
            if (number(at + 8, 2) != 1 || number(at + 10, 2) != 1 || number(at + 22, 2) != 16)
                throw std::runtime_error(path + ": is not 16-bit PCM with one channel");
            if (number(at + 12, 4) != rate)
                throw std::runtime_error(path + ": the model wants " + std::to_string(rate) + " samples a second");
        } else if (bytes.compare(at, 4, "data") == 0) {
            std::vector<float> samples(std::min(size, bytes.size() - at - 8) / 2);
            for (size_t place = 0; place < samples.size(); ++place)
                samples[place] = int16_t(number(at + 8 + 2 * place, 2)) / 32768.0f;
            return samples;
        }
    }
    throw std::runtime_error(path + ": holds no samples");
}

// The text behind "key": in the metadata, which is JSON without blanks.
static std::string value_of(const std::string& json, const std::string& key) {
    const size_t at = json.find("\"" + key + "\":");
    if (at == std::string::npos)
        throw std::runtime_error("the IR's metadata lacks " + key);
    return json.substr(at + key.size() + 3);
}

// The strings of a JSON array, as UTF-8. Letters beyond the basic plane are left out of this example.
static std::vector<std::string> strings(const std::string& json) {
    std::vector<std::string> found;
    for (size_t at = 1; at < json.size() && json[at] == '"'; at += json[at] == ',') {
        found.emplace_back();
        for (++at; json.at(at) != '"'; ++at) {
            const bool escaped = json[at] == '\\';
            unsigned code = uint8_t(json.at(at += escaped));
            if (escaped && code == 'u') {
                code = std::stoul(json.substr(at + 1, 4), nullptr, 16);
                at += 4;
            }
            if (code >= 0x800)
                found.back() += {char(0xE0 | code >> 12), char(0x80 | (code >> 6 & 0x3F)), char(0x80 | (code & 0x3F))};
            else if (code >= 0x80)
                found.back() += {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
            else
                found.back() += char(code);
        }
        ++at;
    }
    return found;
}

int main(int argc, char** argv) try {
    std::vector<std::string> words(argv + 1, argv + argc);
    const bool rows = !words.empty() && words.back() == "--probabilities";
    words.resize(words.size() - rows);
    if (words.size() < 2)
        throw std::runtime_error("usage: stream MODEL.xml RECORDING.wav [BLOCK] [--probabilities]");
    const size_t block = words.size() > 2 ? std::max(1ul, std::stoul(words[2])) : 320;
    const auto model = ov::Core().read_model(words[0]);
    const auto json = model->get_rt_info<std::string>({"deepspeech_recipe", "json"});
    const auto alphabet = rows ? std::string() : value_of(json, "alphabet");
    if (alphabet.rfind("{\"encoding\":\"base64\"", 0) == 0)
        throw std::runtime_error("the model's labels are bytes, not letters: use --probabilities");
    const auto labels = strings(rows ? "" : value_of(alphabet, "labels"));
    auto samples = read_wav(words[1], std::stoul(value_of(json, "sample_rate")));
    auto compiled = ov::Core().compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = compiled.create_infer_request();

    request.reset_state();  // an utterance begins
    size_t last = labels.size();
    for (size_t at = 0, size; at <= samples.size(); at += size + (size == 0)) {
        size = std::min(block, samples.size() - at);
        ov::Tensor end(ov::element::boolean, ov::Shape{});
        *end.data<bool>() = size == 0;  // here an empty block ends it; the last block with samples may do so as well
        ov::Tensor input(ov::element::f32, {1, size});
        std::copy_n(samples.begin() + at, size, input.data<float>());
        request.set_tensor("samples", input);
        request.set_tensor("end_of_stream", end);
        request.infer();
        const auto logits = request.get_tensor("logits");
        const size_t classes = logits.get_shape()[2];
        const float *row = logits.data<float>(), *const stop = row + logits.get_size();
        for (; row < stop; row += classes) {
            for (size_t each = 0; rows && each < classes; ++each)
                std::printf("%.9g%c", row[each], each + 1 < classes ? ' ' : '\n');
            const size_t best = std::max_element(row, row + classes) - row;
            if (best != last && best < labels.size())  // the blank is the last class, behind all labels
                std::cout << labels[best] << std::flush;
            last = best;
        }
    }
    if (!rows)
        std::cout << std::endl;
} catch (const std::exception& error) {
    std::cerr << "stream: " << error.what() << std::endl;
    return 1;
}
