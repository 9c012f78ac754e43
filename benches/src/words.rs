//! Words with a Zipf law, from the same generator as the peer's `seed.js`.

/// Names of made-up assets; the same sequence each time.
#[derive(Debug)]
pub struct Words {
    state: u32,
    words: Vec<String>,
    /// Slots of words, as many for each as it is frequent.
    table: Vec<u16>,
}

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    const SLOTS: usize = 1 << 20;

    /// The start of the sequence.
    pub fn new() -> Self {
        let mut this = Self { state: 0x9e37_79b9, words: dictionary(), table: Vec::new() };
        for last in (1..this.words.len()).rev() {
            let other = this.below(last + 1);
            this.words.swap(last, other);
        }
        this.words.truncate(40_000);
        let weights: Vec<f64> = (0..this.words.len()).map(|rank| 1.0 / (rank as f64 + 50.0)).collect();
        let sum: f64 = weights.iter().sum();
        let mut covered = 0.0;
        for (rank, weight) in weights.iter().enumerate() {
            covered += weight;
            this.table.resize((covered / sum * Self::SLOTS as f64).round() as usize, rank as u16);
        }
        this
    }

    /// A number from 0 to below 1 (xorshift32).
    pub fn random(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        f64::from(self.state) / 4_294_967_296.0
    }

    /// A number from 0 to below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.random() * bound as f64) as usize
    }

    /// So many words.
    pub fn text(&mut self, count: usize) -> String {
        let words: Vec<_> = (0..count)
            .map(|_| {
                let slot = self.below(self.table.len());
                self.words[usize::from(self.table[slot])].clone()
            })
            .collect();
        words.join(" ")
    }
}

/// Debian's word list where it is installed; made-up words else.
fn dictionary() -> Vec<String> {
    let listed = std::fs::read_to_string("/usr/share/dict/american-english").unwrap_or_default();
    let fitting =
        |word: &&str| (4..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<String> = listed.lines().filter(fitting).map(str::to_owned).collect();
    if !words.is_empty() {
        return words;
    }
    (0..50_000_usize)
        .map(|index| {
            let (mut word, mut rest) = (String::new(), index + 7919);
            while rest > 0 {
                word.push(char::from(b"bcdfghklmnprstvz"[rest % 16]));
                word.push(char::from(b"aeiou"[(rest >> 4) % 5]));
                rest /= 80;
            }
            word.push(char::from(b"nrst"[index % 4]));
            word
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn the_sequence_is_the_same_each_time_and_has_frequent_words() {
        let (mut one, mut two) = (Words::new(), Words::new());
        let text = one.text(10_000);
        assert_eq!(text, two.text(10_000));
        let frequent = one.words[0].clone();
        let count = text.split(' ').filter(|word| **word == *frequent).count();
        assert!((20..200).contains(&count), "{count}");
    }
}
