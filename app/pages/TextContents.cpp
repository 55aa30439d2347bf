// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TextContents.h"

#include "widgets/charts/ChartAxis.h"

#include <QCoreApplication>

namespace qs::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("TextContents", text);
}

/// A text whose tokens get their KL one by one; the note says their mean.
class TintedText {
public:
    explicit TintedText(const QStringList& pieces) {
        for (const QString& piece : pieces)
            m_data->tokens.push_back({piece});
    }
    void set(size_t token, double kl, bool flip) {
        if (token >= size_t(m_data->tokens.size())) return;
        m_data->tokens[qsizetype(token)].kl = kl;
        m_data->tokens[qsizetype(token)].flip = flip;
        m_sum += kl;
        m_flips += flip;
        ++m_count;
    }
    ColumnText finish() const {
        return {m_data, tr("mean %1 · flips %2")
                            .arg(ui::formatNumber(m_count ? m_sum / double(m_count) : 0, 3))
                            .arg(m_flips)};
    }

private:
    std::shared_ptr<ui::TokenTextData> m_data = std::make_shared<ui::TokenTextData>();
    double m_sum = 0;
    int m_flips = 0;
    size_t m_count = 0;
};

} // namespace

QString runTitle(const ComparedRun& run) {
    return tr("%1 %2").arg(QLatin1Char(run.letter)).arg(run.name);
}

ColumnText measuredText(const ComparedRun& run, int passage, const QStringList& pieces) {
    const Evaluation& e = *run.evaluation;
    TintedText text(pieces);
    const size_t per = e.scoredPerWindow(), first = size_t(passage) * per;
    for (size_t i = first; i < first + per && i < e.tokenKl.size(); ++i)
        text.set(size_t(e.tokenAt[i]) % e.windowLength(), double(e.tokenKl[i]),
                 e.tokenTop[i] != e.referenceTop[i]);
    return text.finish();
}

ColumnText forcedText(const Passage& passage, size_t index) {
    TintedText text(passage.pieces);
    const auto& predictions = passage.comparison.models[index];
    for (size_t i = 0; i < predictions.size(); ++i)
        text.set(i + 1, double(predictions[i].kl), predictions[i].flip);
    return text.finish();
}

ColumnText greedyText(const GreedyProgress& progress, char letter) {
    auto data = std::make_shared<ui::TokenTextData>();
    ColumnText out{data, {}};
    if (!progress.begun) return out;
    const auto& letters = progress.begun->letters;
    const size_t m = size_t(std::find(letters.begin(), letters.end(), letter) - letters.begin());
    if (m >= progress.pieces.size()) return out;
    for (const QString& piece : progress.begun->promptPieces)
        data->tokens.push_back({piece});
    data->prompt = int(progress.begun->promptPieces.size());
    for (const QString& piece : progress.pieces[m])
        data->tokens.push_back({piece});
    const auto &own = progress.ids[m], &original = progress.ids[0];
    if (m == 0 || own.empty()) return out;
    size_t same = 0;
    while (same < own.size() && same < original.size() && own[same] == original[same])
        ++same;
    if (same < own.size()) data->mark = data->prompt + int(same);
    out.note = same < own.size() ? tr("differs from new token %1 on").arg(same + 1) : tr("same so far");
    return out;
}

ui::TopTokensData mostLikelyTokens(const Passage& passage, const JudgeSet& set, int token) {
    ui::TopTokensData data;
    const TokenComparison& c = passage.comparison;
    QStringList head = {tr("“%1”, token %2").arg(passage.pieces.value(token).trimmed()).arg(token)}, surprise;
    const auto model = set.session()->model();
    for (size_t m = 0; m < c.models.size(); ++m) {
        const TokenPrediction& p = c.models[m][size_t(token) - 1];
        const char letter = passage.letters[m];
        if (m > 0) head << tr("KL %1 %2").arg(QLatin1Char(letter)).arg(ui::formatNumber(double(p.kl), 3));
        surprise << ui::formatNumber(double(p.nll), 3);
        ui::TopTokensData::Column column;
        column.run = letter - 'A';
        if (const ComparedRun* r = set.find(letter)) column.title = r->name;
        for (const TokenChoice& choice : p.top)
            column.choices.push_back({QString::fromStdString(model->tokenizer()->display(choice.id)),
                                      double(choice.probability), choice.id == c.ids[size_t(token)]});
        data.columns.push_back(std::move(column));
    }
    head << tr("surprise %1 nats").arg(surprise.join(QStringLiteral(" → ")));
    data.headline = head.join(QStringLiteral("   "));
    return data;
}

} // namespace qs::app
