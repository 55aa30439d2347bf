// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TextPane.h"

#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/TokenTintLegend.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QLineEdit>
#include <QPushButton>
#include <QVBoxLayout>

namespace qs::app {

namespace {
constexpr int kMostPassages = 500;
const auto kTag = QStringLiteral("judge-text");
} // namespace

TextPane::TextPane(JudgeSet* set, QWidget* parent)
    : QWidget(parent)
    , m_set(set)
    , m_prompts(new QComboBox)
    , m_own(new QLineEdit)
    , m_mode(new ui::SegmentedButtons({tr("Teacher-forced"), tr("Greedy")}))
    , m_start(new QPushButton)
    , m_stop(new QPushButton(tr("Stop")))
    , m_columns(new TextColumns)
    , m_card(new ui::TopTokensCard(this)) {
    setObjectName(QStringLiteral("textPane"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    m_own->setObjectName(QStringLiteral("ownText"));
    m_own->setPlaceholderText(tr("Type or paste a text, then press Enter"));
    m_own->setAccessibleName(tr("Your own text"));
    m_own->setMaxLength(20000);
    layout->addWidget(m_own);
    layout->addWidget(m_columns, 1);
    m_card->setObjectName(QStringLiteral("topTokens"));
    m_card->hide();
    connect(m_own, &QLineEdit::returnPressed, this, &TextPane::start);
    connect(m_columns, &TextColumns::tokenChosen, this, &TextPane::chooseToken);
    connect(m_columns, &TextColumns::tokenHovered, this, [this](int token) {
        if (m_forced) showCard(token >= 0 ? token : m_token);
    });
    connect(m_columns, &TextColumns::arranged, this, &TextPane::placeCard);
    connect(set, &JudgeSet::changed, this, &TextPane::refresh);
    refresh();
}

QWidget* TextPane::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Text A/B"));
    m_prompts->setObjectName(QStringLiteral("prompts"));
    m_prompts->setAccessibleName(tr("Prompt"));
    m_prompts->setMinimumContentsLength(20);
    row->addWidget(m_prompts);
    m_mode->setObjectName(QStringLiteral("textMode"));
    m_mode->segment(TeacherForced)
        ->setToolTip(tr("Every model reads the same text; shown is what it expected at each token"));
    m_mode->segment(Greedy)->setToolTip(
        tr("Every model goes on after the same prompt with its most likely token"));
    m_mode->setCurrentIndex(TeacherForced);
    row->addWidget(m_mode);
    m_start->setObjectName(QStringLiteral("textStart"));
    m_stop->setObjectName(QStringLiteral("textStop"));
    row->addWidget(m_start);
    row->addWidget(m_stop);
    row->addStretch();
    row->addOptional(new ui::TokenTintLegend);
    connect(m_prompts, &QComboBox::currentIndexChanged, this, &TextPane::showPassage);
    connect(m_mode, &ui::SegmentedButtons::currentChanged, this, &TextPane::showPassage);
    connect(m_start, &QPushButton::clicked, this, &TextPane::start);
    connect(m_stop, &QPushButton::clicked, this, &TextPane::stop);
    return row;
}

TextPane::Mode TextPane::mode() const {
    return m_mode->currentIndex() == Greedy ? Greedy : TeacherForced;
}

void TextPane::setMode(Mode mode) {
    m_mode->setCurrentIndex(mode);
}

int TextPane::passage() const {
    const QVariant v = m_prompts->currentData();
    return v.isValid() ? v.toInt() : -1;
}

void TextPane::setOwnText(const QString& text) {
    m_own->setText(text);
    m_prompts->setCurrentIndex(m_prompts->findData(-1));
}

// --- Runs and prompts ---

const ComparedRun* TextPane::source() const {
    const ComparedRun* first = nullptr;
    for (const ComparedRun& r : m_set->runs()) {
        if (!r.run || !r.evaluation || r.evaluation->maskedTokens) continue;
        if (r.letter == m_set->against()) return &r;
        if (!first) first = &r;
    }
    return first;
}

std::vector<const ComparedRun*> TextPane::shownRuns() const {
    std::vector<const ComparedRun*> out;
    const ComparedRun* from = source();
    for (const ComparedRun& r : m_set->runs()) {
        if (mode() == TeacherForced && !r.run) continue; // the original has no difference to itself
        // Of a held-out passage the runs measured on it; the models can be asked about any other text.
        const bool measured =
            r.evaluation && from && whyNotComparable(*r.evaluation, *from->evaluation).empty();
        if (mode() == TeacherForced && passage() >= 0 && !measured) continue;
        out.push_back(&r);
    }
    return out;
}

std::vector<int32_t> TextPane::heldOutIds() const {
    const ComparedRun* from = source();
    if (passage() < 0 || !from || size_t(passage()) >= from->evaluation->windows()) return {};
    const TokenWindows& text = *from->evaluation->text;
    const int32_t* row = text.row(size_t(passage()));
    return {row, row + text.cols()};
}

void TextPane::fillPrompts() {
    const ComparedRun* from = source();
    const int windows = from ? int(std::min<size_t>(from->evaluation->windows(), kMostPassages)) : 0;
    if (m_prompts->count() == windows + 1) return;
    const bool own = m_prompts->count() > 1 && passage() < 0;
    const int before = passage();
    const QSignalBlocker blocker(m_prompts);
    m_prompts->clear();
    for (int w = 0; w < windows; ++w)
        m_prompts->addItem(tr("Held-out, passage %1").arg(w + 1), w);
    m_prompts->addItem(tr("Own text"), -1);
    m_prompts->setCurrentIndex(own ? windows : std::clamp(before, 0, std::max(0, windows - 1)));
}

void TextPane::refresh() {
    fillPrompts();
    showPassage();
}

void TextPane::showToken(int window, int token) {
    const int at = m_prompts->findData(window);
    if (at < 0) return;
    m_wanted = token;
    const bool same = at == m_prompts->currentIndex() && mode() == TeacherForced;
    setMode(TeacherForced);
    m_prompts->setCurrentIndex(at);
    if (same) showPassage();
}

// --- What is shown ---

void TextPane::showPassage() {
    const std::vector<int32_t> ids = heldOutIds();
    if (m_job && mode() == TeacherForced && ids != m_ids) m_job->cancel();
    if (ids != m_ids || ids.empty()) {
        m_forced.reset();
        m_problem.clear();
        m_token = -1;
        m_pieces.clear();
    }
    m_ids = ids;
    m_own->setVisible(passage() < 0);
    std::vector<std::pair<char, QString>> columns;
    for (const ComparedRun* r : shownRuns())
        columns.emplace_back(r->letter, r->name);
    if (columns.empty()) columns.emplace_back('A', tr("original"));
    m_columns->setColumns(columns);
    m_columns->setCurrentToken(mode() == Greedy ? -1 : m_token);
    updateControls();
    showCard(m_token);
    if (mode() == Greedy)
        showGreedy();
    else if (m_ids.empty())
        showForced();
    else
        readPassage();
}

/// The words of a held-out passage, then its tint from the evaluations: no model is run.
void TextPane::readPassage() {
    const auto body = [model = m_set->session()->model(), ids = m_ids](const JobScope&) -> Outcome {
        return Payload::of(piecesOf(*model->tokenizer(), ids));
    };
    JobHandle* job = m_set->session()->pool()->post(
        {QStringLiteral("judge-pieces"), tr("Decode a passage"), false, 1}, body);
    job->then(this, [this, ids = m_ids](const Outcome& outcome) {
        const auto pieces = outcome.as<QStringList>();
        if (!pieces || ids != m_ids || mode() != TeacherForced) return;
        m_pieces = *pieces;
        for (const ComparedRun* r : shownRuns())
            setText(r->letter, measuredText(*r, passage(), m_pieces));
        if (m_wanted >= 0) chooseToken(std::exchange(m_wanted, -1));
    });
}

void TextPane::setText(char letter, ColumnText text) {
    const ComparedRun* run = m_set->find(letter);
    auto named = std::make_shared<ui::TokenTextData>(*text.text);
    named->name = run ? runTitle(*run) : QString(QLatin1Char(letter));
    m_columns->setText(letter, {named, text.note});
}

void TextPane::showEmpty(const QString& text) {
    for (const char letter : m_columns->letters()) {
        auto data = std::make_shared<ui::TokenTextData>();
        data->emptyText = text;
        setText(letter, {data, {}});
    }
}

/// The models' answer; without one, what to do.
void TextPane::showForced() {
    if (!m_forced)
        return showEmpty(m_set->runs().size() < 2 ? tr("Run the recipe, or add a run, to compare texts.")
                         : !m_problem.isEmpty()   ? m_problem
                         : busy()                 ? tr("The models read the text…")
                         : m_prompts->count() < 2
                             ? tr("Evaluate the runs to see the held-out text, or type a text above.")
                             : tr("Type a text above and press Enter."));
    for (size_t m = 0; m < m_forced->letters.size(); ++m)
        setText(m_forced->letters[m], forcedText(*m_forced, m));
}

void TextPane::showGreedy() {
    if (!m_greedy.begun)
        return showEmpty(!m_problem.isEmpty() ? m_problem
                         : busy()             ? tr("The models read the prompt…")
                                              : tr("Continue lets every model go on after the same prompt."));
    for (const char letter : m_columns->letters())
        setText(letter, greedyText(m_greedy, letter));
}

void TextPane::updateControls() {
    const QString why = m_set->session()->calibrateBlocker();
    m_start->setVisible(passage() < 0 || mode() == Greedy);
    m_start->setText(mode() == Greedy ? tr("Continue") : tr("Compare"));
    m_start->setEnabled(why.isEmpty() && !busy());
    m_start->setToolTip(!why.isEmpty()     ? why
                        : busy()           ? tr("The models are at work.")
                        : mode() == Greedy ? tr("Up to %1 tokens by each model").arg(kGreedyTokens)
                                           : tr("Runs every model over the text"));
    m_stop->setVisible(busy());
}

// --- Jobs ---

PassageRequest TextPane::request() const {
    PassageRequest r;
    r.model = m_set->session()->model();
    for (const ComparedRun& run : m_set->runs())
        r.models.push_back({run.letter, run.run});
    r.ids = heldOutIds();
    if (r.ids.empty()) r.text = m_own->text();
    return r;
}

void TextPane::stop() {
    if (m_job) m_job->cancel();
}

void TextPane::start() {
    if (busy() || !m_set->session()->calibrateBlocker().isEmpty()) return;
    if (mode() == Greedy) return continueText();
    m_forced.reset();
    m_columns->setCurrentToken(m_token = -1);
    readByModels();
    showForced();
}

/// The ten most likely tokens of every model at every position of the text shown.
void TextPane::readByModels() {
    Session* session = m_set->session();
    const PassageRequest asked = request();
    const bool own = asked.ids.empty();
    if (busy() || m_forced || !session->calibrateBlocker().isEmpty() ||
        (own && asked.text.trimmed().isEmpty()))
        return;
    m_problem.clear();
    m_job = session->engine()->post(
        {kTag, own ? tr("Compare your text") : tr("Compare held-out passage %1").arg(passage() + 1)},
        [asked](const JobScope& scope) -> Outcome {
            return Outcome::from(comparePassage(asked, scope.backend(), scope.job()));
        });
    m_job->then(this, [this, asked, own](const Outcome& outcome) {
        m_job.clear();
        updateControls();
        if (m_set->session()->model() != asked.model || mode() != TeacherForced) return;
        if (outcome.failed()) m_problem = QString::fromStdString(outcome.error().describe());
        const auto read = outcome.as<Passage>();
        if (read && (own ? passage() < 0 : asked.ids == m_ids)) {
            m_forced = read;
            m_pieces = read->pieces;
        }
        if (own && passage() < 0) showForced();
        showCard(m_token);
    });
    updateControls();
}

void TextPane::continueText() {
    PassageRequest asked = request();
    if (asked.ids.size() > kGreedyPrompt) asked.ids.resize(kGreedyPrompt);
    if (asked.ids.empty() && asked.text.isEmpty()) return;
    m_problem.clear();
    m_greedy = {nullptr, std::vector<QStringList>(asked.models.size()),
                std::vector<std::vector<int>>(asked.models.size())};
    m_job = m_set->session()->engine()->post({kTag, tr("Continue a text")}, [asked](const JobScope& scope) {
        return Outcome::from(continueGreedily(asked, kGreedyTokens, scope));
    });
    m_job->onPartial(this, [this](const std::vector<Payload>& partials) { takeGreedy(partials); });
    m_job->then(this, [this](const Outcome& outcome) {
        if (const auto done = outcome.as<GreedyTexts>()) m_greedy.begun = done;
        if (outcome.failed()) m_problem = QString::fromStdString(outcome.error().describe());
        m_job.clear();
        updateControls();
        if (mode() == Greedy) showGreedy();
    });
    updateControls();
    showGreedy();
}

void TextPane::takeGreedy(const std::vector<Payload>& partials) {
    for (const Payload& p : partials) {
        if (const auto begun = p.as<GreedyTexts>()) m_greedy.begun = begun;
        const auto token = p.as<GreedyToken>();
        if (!token || token->model >= m_greedy.ids.size()) continue;
        m_greedy.pieces[token->model] << token->piece;
        m_greedy.ids[token->model].push_back(token->id);
    }
    if (mode() == Greedy) showGreedy();
}

// --- A token ---

void TextPane::chooseToken(int token) {
    m_token = mode() == Greedy ? -1 : token;
    m_columns->setCurrentToken(token);
    if (m_token > 0 && passage() >= 0) readByModels();
    showCard(m_token);
}

void TextPane::showCard(int token) {
    if (token < 1 || token >= m_pieces.size() || mode() == Greedy) {
        m_card->hide();
        return;
    }
    ui::TopTokensData data;
    if (m_forced) {
        data = mostLikelyTokens(*m_forced, *m_set, token);
    } else {
        data.headline = tr("“%1”, token %2").arg(m_pieces.value(token).trimmed()).arg(token);
        data.note = !m_problem.isEmpty() ? m_problem
                    : busy() ? tr("The models read the passage; the ten most likely tokens follow.")
                             : tr("Stopped. Choose the token again to read the passage.");
    }
    m_card->setData(std::move(data));
    m_card->show();
    placeCard();
}

/// At the lower edge, or at the upper one when the token stands below.
void TextPane::placeCard() {
    if (m_card->isHidden()) return;
    const QRect room(m_columns->pos(), m_columns->size());
    const QSize size = m_card->sizeHint().boundedTo(room.size() - QSize(16, 16));
    const int bottom = m_columns->currentTokenBottom();
    const bool low = bottom >= 0 && room.top() + bottom > room.bottom() - size.height() - 12;
    const int y = low ? room.top() + 8 : room.bottom() - size.height() - 8;
    m_card->setGeometry(QRect(QPoint(room.right() - size.width() - 8, y), size));
    m_card->raise();
}

} // namespace qs::app
