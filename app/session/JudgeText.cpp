// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/JudgeText.h"

#include "core/evaluate/token_text.h"
#include "core/model/generate.h"

namespace qs::app {

namespace {

using Sources = std::vector<std::shared_ptr<const WeightSource>>;

Result<Sources> sourcesOf(const PassageRequest& request) {
    Sources out;
    for (const TextModel& m : request.models) {
        if (!m.run) {
            out.push_back(modelWeights(*request.model));
            continue;
        }
        QS_TRY(auto weights, runWeights(m.run, request.model));
        out.push_back(std::move(weights));
    }
    return out;
}

Result<std::vector<int32_t>> idsOf(const PassageRequest& request) {
    if (!request.ids.empty()) return request.ids;
    QS_CHECK(request.model->requireTokenizer());
    QS_TRY(const std::vector<int> ids, request.model->tokenizer()->encode(request.text.toStdString()));
    return std::vector<int32_t>(ids.begin(),
                                ids.begin() + std::ptrdiff_t(std::min(ids.size(), request.most)));
}

std::vector<char> lettersOf(const PassageRequest& request) {
    std::vector<char> out;
    for (const TextModel& m : request.models)
        out.push_back(m.letter);
    return out;
}

} // namespace

QStringList piecesOf(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
    QStringList out;
    for (const std::string& piece : tokenTexts(tokenizer, ids))
        out << QString::fromStdString(piece);
    return out;
}

Result<Passage> comparePassage(const PassageRequest& request, Backend& backend, const JobContext& job) {
    Passage out;
    out.letters = lettersOf(request);
    QS_CHECK(request.model->requireForward());
    QS_TRY(const std::vector<int32_t> ids, idsOf(request));
    QS_TRY(const Sources sources, sourcesOf(request));
    std::vector<const WeightSource*> models;
    for (const auto& s : sources)
        models.push_back(s.get());
    QS_TRY(out.comparison, compareTokens(request.model->spec(), models, ids, {}, backend, job));
    out.pieces = piecesOf(*request.model->tokenizer(), ids);
    return out;
}

Result<GreedyTexts> continueGreedily(const PassageRequest& request, size_t tokens, const JobScope& scope) {
    GreedyTexts out;
    out.letters = lettersOf(request);
    QS_CHECK(request.model->requireForward());
    QS_TRY(out.prompt, idsOf(request));
    const Tokenizer& tokenizer = *request.model->tokenizer();
    out.promptPieces = piecesOf(tokenizer, out.prompt);
    scope.publish(Payload::of(out));
    QS_TRY(const Sources sources, sourcesOf(request));
    const double n = double(sources.size());
    for (size_t m = 0; m < sources.size(); ++m) {
        std::vector<int32_t> all = out.prompt;
        GenerateOptions options;
        options.maxNewTokens = tokens;
        options.stopId = tokenizer.eosId();
        options.tokenMade = [&](int id) {
            all.push_back(id);
            // A piece depends on its neighbours only.
            const size_t reach = std::min<size_t>(all.size(), 10);
            const QStringList last = piecesOf(tokenizer, std::span<const int32_t>(all).last(reach));
            scope.publish(Payload::of(GreedyToken{m, id, last.back()}));
        };
        QS_TRY(std::vector<int> made,
               generate(request.model->spec(), *sources[m], {out.prompt.begin(), out.prompt.end()}, options,
                        scope.backend(), scope.job().part(double(m) / n, double(m + 1) / n)));
        out.made.push_back(std::move(made));
    }
    return out;
}

} // namespace qs::app
