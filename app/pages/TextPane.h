// SPDX-License-Identifier: GPL-3.0-or-later
// Text A/B: one text beside itself, once per run. Teacher-forced: tokens tinted by KL, flips underlined; what
// is shown of a held-out passage was measured by the evaluation, only the ten most likely tokens need the
// models again. Greedy: how every model goes on after the same prompt.
#pragma once

#include "app/session/JudgeSet.h"
#include "app/session/JudgeText.h"
#include "widgets/views/TopTokensCard.h"

#include <QPointer>
#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSplitter;

namespace qs::ui {
class SegmentedButtons;
class TokenTextView;
class ToolRow;
class TokenTintLegend;
} // namespace qs::ui

namespace qs::app {

class TextPane : public QWidget {
    Q_OBJECT
public:
    enum Mode { TeacherForced, Greedy };
    static constexpr size_t kGreedyTokens = 64, kGreedyPrompt = 24;

    explicit TextPane(JudgeSet* set, QWidget* parent = nullptr);

    /// Token `token` of held-out window `window`.
    void showToken(int window, int token);
    Mode mode() const;
    void setMode(Mode mode);
    void setOwnText(const QString& text);
    int passage() const; ///< held-out window, -1 for the user's own text
    ui::TokenTextView* view(char letter) const;
    ui::TopTokensCard* card() const { return m_card; }
    const std::shared_ptr<const GreedyTexts>& greedy() const { return m_greedy; }
    bool busy() const { return m_job && !m_job->isEnded(); }

public slots:
    /// Compares the user's text, or continues the prompt.
    void start();
    void stop();

protected:
    bool eventFilter(QObject* object, QEvent* event) override;

private:
    struct Column {
        char letter = 'A';
        QWidget* box = nullptr;
        QLabel* title = nullptr;
        QLabel* note = nullptr;
        ui::TokenTextView* view = nullptr;
    };

    QWidget* makeToolRow();
    void refresh();
    void fillPrompts();
    void makeColumns(const std::vector<char>& letters);
    Column makeColumn(char letter);
    std::vector<const ComparedRun*> shownRuns() const;
    const ComparedRun* source() const; ///< whose evaluation holds the passages
    void showPassage();
    void showMeasured();
    void showForced();
    void requestModels();
    void showGreedy();
    void chooseToken(int token);
    void showCard(int token);
    void placeCard();
    ui::TopTokensData cardData(int token) const;
    PassageRequest request() const;
    void setText(Column& column, ui::TokenTextPtr data, const QString& note);
    void updateControls();

    JudgeSet* m_set;
    QComboBox* m_prompts;
    QLineEdit* m_own;
    ui::SegmentedButtons* m_mode;
    QPushButton* m_start;
    QPushButton* m_stop;
    QSplitter* m_split;
    ui::TopTokensCard* m_card;
    std::vector<Column> m_columns;
    QStringList m_pieces; ///< of the passage shown
    std::vector<int32_t> m_ids;
    std::shared_ptr<const Passage> m_forced; ///< the models' answer for m_ids; null until asked
    std::shared_ptr<const GreedyTexts> m_greedy;
    std::vector<QStringList> m_greedyPieces; ///< [models], streamed in
    std::vector<std::vector<int>> m_greedyIds;
    QPointer<JobHandle> m_job;
    QString m_problem; ///< why the last job gave nothing
    int m_token = -1;
    int m_wanted = -1; ///< token to choose once the passage is there
    bool m_syncing = false;
};

} // namespace qs::app
