// SPDX-License-Identifier: GPL-3.0-or-later
// Text A/B: one text beside itself, once per run. Teacher-forced: tokens tinted by KL, flips underlined; what
// is shown of a held-out passage was measured by the evaluation, only the ten most likely tokens need the
// models again. Greedy: how every model goes on after the same prompt.
#pragma once

#include "app/pages/TextContents.h"

#include <QPointer>
#include <QWidget>

class QComboBox;
class QLineEdit;
class QPushButton;

namespace qs::ui {
class SegmentedButtons;
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
    ui::TokenTextView* view(char letter) const { return m_columns->view(letter); }
    ui::TopTokensCard* card() const { return m_card; }
    /// What the models wrote last, whole or so far; null before.
    const std::shared_ptr<const GreedyTexts>& greedy() const { return m_greedy.begun; }
    bool busy() const { return m_job && !m_job->isEnded(); }

public slots:
    /// Compares the user's text, or continues the prompt.
    void start();
    void stop();

private:
    QWidget* makeToolRow();
    void refresh();
    void fillPrompts();
    std::vector<const ComparedRun*> shownRuns() const;
    const ComparedRun* source() const; ///< whose evaluation holds the passages
    std::vector<int32_t> heldOutIds() const;
    void showPassage();
    void showForced();
    void showGreedy();
    void showEmpty(const QString& text);
    void setText(char letter, ColumnText text);
    void readPassage();
    void readByModels();
    void continueText();
    void takeGreedy(const std::vector<Payload>& partials);
    PassageRequest request() const;
    void chooseToken(int token);
    void showCard(int token);
    void placeCard();
    void updateControls();

    JudgeSet* m_set;
    QComboBox* m_prompts;
    QLineEdit* m_own;
    ui::SegmentedButtons* m_mode;
    QPushButton* m_start;
    QPushButton* m_stop;
    TextColumns* m_columns;
    ui::TopTokensCard* m_card;
    std::vector<int32_t> m_ids; ///< of the text shown
    QStringList m_pieces;
    std::shared_ptr<const Passage> m_forced; ///< the models' answer for m_ids; null until asked
    GreedyProgress m_greedy;
    QPointer<JobHandle> m_job;
    QString m_problem; ///< why the last job gave nothing
    int m_token = -1;
    int m_wanted = -1; ///< token to choose once the passage is there
};

} // namespace qs::app
